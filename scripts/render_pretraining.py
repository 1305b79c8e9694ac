"""Write the images the mini CLIP is pre-trained on."""

from typing import TYPE_CHECKING

from remerge.images.store import save_images
from remerge.run.job import job
from remerge.tasks import pretraining_images

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    save_images(outputs[0], pretraining_images())
