"""Write the train, validation and test images of one built-in task."""

from typing import TYPE_CHECKING

from remerge import provenance
from remerge.images import save_images
from remerge.logs import log_to
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
