"""Hash the training images of one of the papers' tasks, for the audit."""

from typing import TYPE_CHECKING

from remerge.downloads.reading import read_split
from remerge.images.preparation import hash_split
from remerge.images.store import HASH_BYTES
from remerge.run.job import job
from remerge.run.resume import KeptImages, state_of
from remerge.run.threads import granted

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    task, size, hashes = wildcards.task, int(wildcards.size), outputs.hashes
    split = read_split(params.source, task, "train", params.classes, inputs.record, params.folder)
    kept = KeptImages(*state_of(hashes, inputs, [*params, *wildcards]), (HASH_BYTES,))
    threads = granted(snakemake.threads)
    hash_split(hashes, f"{task} train", len(split.labels), split.encoded, size, threads, kept)
