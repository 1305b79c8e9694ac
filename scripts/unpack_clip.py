"""Write a pre-trained CLIP, and its image encoder alone, from the packed file."""

from typing import TYPE_CHECKING

from remerge.checkpoints.weights import load_weights, save_weights
from remerge.clip.architectures import described
from remerge.clip.packed import unpacked
from remerge.clip.towers import image_tower
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    clip = unpacked(load_weights(inputs.packed), params.architecture)
    save_weights(outputs.clip, clip, described(params.architecture))
    save_weights(outputs.encoder, image_tower(clip), described(params.architecture))
