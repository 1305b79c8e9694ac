"""Write the images the mini CLIP is pre-trained on."""

from typing import TYPE_CHECKING

from remerge.images.store import save_images
from remerge.run import provenance
from remerge.run.logs import log_to
from remerge.tasks import pretraining_images

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
save_images(snakemake.output[0], pretraining_images())
provenance.record(snakemake)
