"""Write the train, validation and test images of a task from the user's folder."""

from functools import partial
from typing import TYPE_CHECKING

from remerge.images.preparation import write_split
from remerge.images.store import Description
from remerge.run.job import job
from remerge.run.threads import granted
from remerge.tasks.folder import list_folder, stratified

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    threads = granted(snakemake.threads)
    splits = list_folder(params.folder, partial(stratified, share=params.validation))
    for path, hashes, (split, listing) in zip(outputs.images, outputs.hashes, splits.items(), strict=True):
        described = Description(wildcards.task, split, "real")
        write_split(path, described, listing.labels, listing.paths, int(wildcards.size), threads, hashes)
