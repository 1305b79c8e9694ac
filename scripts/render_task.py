"""Write the train, validation and test images of one built-in task."""

from typing import TYPE_CHECKING

from remerge.images.store import save_images
from remerge.run.job import job
from remerge.tasks import render

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    for path, hashes, image_set in zip(outputs.images, outputs.hashes, render(wildcards.task).values(), strict=True):
        save_images(path, image_set, hashes)
