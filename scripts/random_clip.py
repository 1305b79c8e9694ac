"""Write a CLIP with random weights."""

from typing import TYPE_CHECKING

import torch

from remerge.checkpoints.weights import save_weights
from remerge.clip.architectures import described
from remerge.clip.encoders import build_clip
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    architecture = params.architecture
    torch.manual_seed(params.seed)
    clip = build_clip(architecture)
    save_weights(outputs.clip, clip.state_dict(), described(architecture))
    save_weights(outputs.encoder, clip.visual.state_dict(), described(architecture))
