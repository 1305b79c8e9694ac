"""Write the train, validation and test images of one built-in task."""

from typing import TYPE_CHECKING

from remerge.images.store import save_images
from remerge.run import provenance
from remerge.run.logs import log_to
from remerge.tasks import render

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
splits = render(snakemake.wildcards.task)
output = snakemake.output
for path, hashes, image_set in zip(output.images, output.hashes, splits.values(), strict=True):
    save_images(path, image_set, hashes)
provenance.record(snakemake)
