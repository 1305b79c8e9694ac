"""Write the pre-trained weights plus noise of a thousandth of each tensor's standard deviation."""

import zlib
from typing import TYPE_CHECKING

import torch

from remerge.checkpoints.headers import read_metadata
from remerge.checkpoints.weights import load_weights, save_weights
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    generator = torch.Generator().manual_seed(zlib.crc32(wildcards.task.encode()) + params.seed)
    moved = {
        key: tensor + 1e-3 * (tensor.std(correction=0) + 1e-3) * torch.randn(tensor.shape, generator=generator)
        for key, tensor in load_weights(inputs.pretrained).items()
    }
    metadata = read_metadata(inputs.pretrained) | {"task": wildcards.task}
    save_weights(outputs[0], moved, metadata)
