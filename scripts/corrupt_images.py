"""Corrupt one task's test images."""

from dataclasses import replace
from typing import TYPE_CHECKING

from remerge import provenance
from remerge.corruptions import corrupt_all
from remerge.images import load_images, save_images
from remerge.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
clean, wildcards = load_images(snakemake.input.images), snakemake.wildcards
corrupted = corrupt_all(clean.images, wildcards.corruption, int(wildcards.severity), snakemake.params.seed)
save_images(snakemake.output[0], replace(clean, images=corrupted))
provenance.record(snakemake)
