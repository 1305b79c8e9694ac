"""Write the train, validation and test texts of one of GLUE's tasks, with their answers."""

from typing import TYPE_CHECKING

from remerge.downloads.texts import read_texts
from remerge.run.job import job
from remerge.texts.store import save_texts

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    for split, path, hashes in zip(params.splits, outputs.texts, outputs.hashes, strict=True):
        save_texts(path, read_texts(inputs.record, wildcards.task, split), hashes)
