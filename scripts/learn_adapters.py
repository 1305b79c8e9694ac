"""Learn for every task an adapter that brings a merged encoder closest to the expert, on unlabeled test images."""

import sys
from typing import TYPE_CHECKING

from remerge.checkpoints.experts import why_absent
from remerge.checkpoints.weights import save_weights
from remerge.clip.encoders import load_encoder
from remerge.images.store import load_image_sets
from remerge.methods import load
from remerge.run.devices import device_for
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake
    from torch import Tensor

with job(snakemake) as (inputs, outputs, params, wildcards):
    method, device = load(params.algorithm), device_for(snakemake.resources)
    adapters: dict[str, "Tensor"] = {}
    encoder = load_encoder(inputs.encoder).to(device)
    image_sets = load_image_sets(params.tasks, inputs.images)
    for task, expert in zip(params.tasks, inputs.experts, strict=True):
        if reason := why_absent(expert) or image_sets[task].missing:
            print(f"{task}: left out: {reason}", file=sys.stderr)
            continue
        learned = method.learn(
            encoder,
            load_encoder(expert).to(device),
            image_sets[task],
            seed=params.seed,
            device=device,
            **params.learning,
        )
        adapters |= {f"{task}/{name}": tensor for name, tensor in learned.items()}
    save_weights(outputs[0], adapters)
