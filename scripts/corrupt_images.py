"""Corrupt the test images of a rendered task, at the size they are rendered in."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from remerge.images.corruptions import Corruption
from remerge.images.store import load_images, save_images
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    clean = load_images(inputs.images)
    corruption = Corruption(wildcards.corruption, int(wildcards.severity), params.seed)
    images = np.stack([corruption(index, image) for index, image in enumerate(clean.images)])
    save_images(outputs[0], replace(clean, images=images))
