"""Collect one expert's statistics for Fisher merging or RegMean."""

from typing import TYPE_CHECKING

import torch

from remerge.checkpoints.experts import save_absent, why_absent
from remerge.checkpoints.weights import save_weights
from remerge.clip.encoders import load_encoder, to_input
from remerge.clip.heads import load_head
from remerge.images.store import load_images
from remerge.merging.exemplars import sampled
from remerge.methods import load
from remerge.run.devices import device_for
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    device = device_for(snakemake.resources)
    image_set = load_images(inputs.images[0])
    reason = why_absent(inputs.expert)
    if reason or not len(image_set):
        save_absent(outputs[0], reason or f"no validation images: {image_set.missing}")
    else:
        encoder = load_encoder(inputs.expert).to(device)
        images = sampled(image_set, params.images, params.seed).images
        batch = to_input(torch.from_numpy(images)).to(device)
        statistics = load(params.algorithm).statistics(encoder, load_head(inputs.head).to(device), batch)
        save_weights(outputs[0], statistics)
