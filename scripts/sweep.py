"""Score one merged task vector at every scaling of a grid."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge.checkpoints.experts import merged_of
from remerge.checkpoints.weights import load_weights
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_head
from remerge.images.store import load_images
from remerge.merging.task_vectors import apply_task_vector
from remerge.run import provenance
from remerge.run.devices import device_for
from remerge.run.logs import log_to
from remerge.run.progress import ProgressBar
from remerge.scoring.evaluation import score_encoder
from remerge.scoring.scores import write_scores

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
