"""Write the pre-trained weights, each moved by a thousandth of its tensor's spread."""

import zlib
from typing import TYPE_CHECKING

import torch

from remerge.checkpoints.weights import load_weights, read_metadata, save_weights
from remerge.run import provenance
from remerge.run.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
generator = torch.Generator().manual_seed(zlib.crc32(snakemake.wildcards.task.encode()) + snakemake.params.seed)
moved = {
    key: tensor + 1e-3 * (tensor.std(correction=0) + 1e-3) * torch.randn(tensor.shape, generator=generator)
    for key, tensor in load_weights(snakemake.input.pretrained).items()
}
metadata = read_metadata(snakemake.input.pretrained) | {"task": snakemake.wildcards.task}
save_weights(snakemake.output[0], moved, metadata)
provenance.record(snakemake)
