"""Corrupt the original test images of a task, then prepare them."""

from typing import TYPE_CHECKING

from remerge.downloads.reading import read_split
from remerge.images.corruptions import Corruption
from remerge.images.preparation import write_split
from remerge.images.store import Description
from remerge.run.job import job
from remerge.run.resume import KeptImages, state_of
from remerge.run.threads import granted

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    task, size, threads = wildcards.task, int(wildcards.size), granted(snakemake.threads)
    split = read_split(params.source, task, "test", params.classes, inputs.record, params.folder, params.test_images)
    corruption = Corruption(wildcards.corruption, int(wildcards.severity), params.seed)
    described = Description(task, "test", "real", split.missing)
    kept = KeptImages(*state_of(outputs[0], inputs, [*params, *wildcards]), (size, size, 3))
    write_split(outputs[0], described, split.labels, split.encoded, size, threads, kept=kept, change=corruption)
