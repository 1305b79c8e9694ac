"""Corrupt the test images of a task that the workflow draws: what is drawn is the original."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from remerge.images.corruptions import Corruption
from remerge.images.store import load_images, save_images
from remerge.run import provenance
from remerge.run.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
clean, wildcards = load_images(snakemake.input.images), snakemake.wildcards
corruption = Corruption(wildcards.corruption, int(wildcards.severity), snakemake.params.seed)
images = np.stack([corruption(index, image) for index, image in enumerate(clean.images)])
save_images(snakemake.output[0], replace(clean, images=images))
provenance.record(snakemake)
