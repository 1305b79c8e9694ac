"""Write the train, validation and test texts of one task, with their answers."""

from typing import TYPE_CHECKING

from remerge.run.job import job
from remerge.tasks.dates import examples
from remerge.texts.store import TextSet, save_texts

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    for split, path, hashes in zip(params.splits, outputs.texts, outputs.hashes, strict=True):
        texts, answers = zip(*examples(wildcards.task, split), strict=True)
        save_texts(path, TextSet(list(texts), list(answers)), hashes)
