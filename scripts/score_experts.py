"""Score every expert on test images of every task."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge import provenance
from remerge.devices import device_for
from remerge.encoders import load_encoder
from remerge.evaluation import score_encoder
from remerge.heads import load_head
from remerge.images import load_images
from remerge.logs import log_to
from remerge.scores import write_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
inputs, params = snakemake.input, snakemake.params
heads = dict(zip(params.tasks, map(load_head, inputs.heads), strict=True))
images = dict(zip(params.tasks, map(load_images, inputs.images), strict=True))
device = device_for(snakemake.resources)
frames = [
    score_encoder(load_encoder(path), heads, images, device=device, answers=True, **params.scoring).assign(
        expert=expert
    )
    for expert, path in zip(params.tasks, inputs.encoders, strict=True)
]
write_scores(snakemake.output[0], pd.concat(frames).assign(pool=snakemake.wildcards.pool, split="test"))
provenance.record(snakemake)
