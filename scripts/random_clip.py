"""Write a CLIP of random weights."""

from typing import TYPE_CHECKING

import torch

from remerge import provenance
from remerge.architectures import described
from remerge.encoders import build_clip
from remerge.logs import log_to
from remerge.weights import save_weights

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
