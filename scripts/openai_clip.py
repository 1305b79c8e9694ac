"""Write OpenAI's CLIP and, if the pool starts from it, its image encoder alone."""

from typing import TYPE_CHECKING

from remerge.checkpoints.weights import load_weights, save_weights
from remerge.clip.architectures import described
from remerge.clip.towers import both_towers, image_tower
from remerge.downloads.records import recorded
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    architecture = params.architecture
    (path,) = recorded(inputs.record).paths.values()
    clip = both_towers(load_weights(path), architecture)
    save_weights(outputs.clip, clip, described(architecture))
    if "encoder" in outputs.keys():  # noqa: SIM118
        save_weights(outputs.encoder, image_tower(clip), described(architecture))
