"""Score one merged task vector at every scaling of a grid."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge import provenance
from remerge.devices import device_for
from remerge.encoders import load_encoder
from remerge.evaluation import score_encoder
from remerge.experts import merged_of
from remerge.heads import load_head
from remerge.images import load_images
from remerge.logs import log_to
from remerge.merging.task_vectors import apply_task_vector
from remerge.progress import ProgressBar
from remerge.scores import write_scores
from remerge.weights import load_weights

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
tasks = snakemake.params.tasks
encoder = load_encoder(snakemake.input.pretrained)
pretrained, task_vector = load_weights(snakemake.input.pretrained), load_weights(snakemake.input.task_vector)
heads = dict(zip(tasks, map(load_head, snakemake.input.heads), strict=True))
images = dict(zip(tasks, map(load_images, snakemake.input.images), strict=True))
device = device_for(snakemake.resources)
frames, scoring = [], snakemake.params.scoring
for scaling in ProgressBar(snakemake.params.grid, desc=f"sweep {snakemake.wildcards.method}", unit="scaling"):
    encoder.load_state_dict(apply_task_vector(pretrained, task_vector, scaling))
    scores = score_encoder(encoder, heads, images, device=device, progress=False, answers=True, **scoring)
    frames.append(scores.assign(scaling=scaling))
columns = {**snakemake.wildcards, **merged_of(snakemake.input.task_vector)}
write_scores(snakemake.output[0], pd.concat(frames).assign(**columns))
provenance.record(snakemake)
