"""Prepare one split of one of the papers' tasks."""

import sys
from typing import TYPE_CHECKING

from remerge.downloads.reading import read_split
from remerge.images.preparation import write_split
from remerge.images.store import Description
from remerge.run.job import job
from remerge.run.resume import KeptImages, state_of
from remerge.run.threads import granted

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    task, size, threads = wildcards.task, int(wildcards.size), granted(snakemake.threads)
    name = wildcards.split
    split = read_split(params.source, task, name, params.classes, inputs.record, params.folder, params.test_images)
    if split.missing:
        print(f"WARNING: {task} is left out of every average: {split.missing}", file=sys.stderr)
    described = Description(task, name, "real", split.missing)
    kept = KeptImages(*state_of(outputs.images, inputs, [*params, *wildcards]), (size, size, 3))
    write_split(outputs.images, described, split.labels, split.encoded, size, threads, outputs.hashes, kept)
