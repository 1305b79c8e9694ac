"""Write a CLIP of random weights."""

from typing import TYPE_CHECKING

import torch

from remerge.checkpoints.weights import save_weights
from remerge.clip.architectures import described
from remerge.clip.encoders import build_clip
from remerge.run import provenance
from remerge.run.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
architecture = snakemake.params.architecture
torch.manual_seed(snakemake.params.seed)
clip = build_clip(architecture)
save_weights(snakemake.output.clip, clip.state_dict(), described(architecture))
save_weights(snakemake.output.encoder, clip.visual.state_dict(), described(architecture))
provenance.record(snakemake)
