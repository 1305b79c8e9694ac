"""Score one merged task vector at every scaling of a grid."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge.checkpoints.experts import merged_of
from remerge.checkpoints.weights import load_weights
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_heads
from remerge.images.store import load_image_sets
from remerge.merging.task_vectors import apply_task_vector
from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.run.progress import ProgressBar
from remerge.scoring.evaluation import score_encoder
from remerge.scoring.scores import write_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    tasks = params.tasks
    encoder = load_encoder(inputs.pretrained)
    pretrained, task_vector = load_weights(inputs.pretrained), load_weights(inputs.task_vector)
    heads = load_heads(tasks, inputs.heads)
    images = load_image_sets(tasks, inputs.images)
    device = device_for(snakemake.resources)
    frames, scoring = [], params.scoring
    for scaling in ProgressBar(params.grid, desc=f"sweep {wildcards.method}", unit="scaling"):
        encoder.load_state_dict(apply_task_vector(pretrained, task_vector, scaling))
        scores = score_encoder(encoder, heads, images, device=device, progress=False, answers=True, **scoring)
        frames.append(scores.assign(scaling=scaling))
    columns = {**wildcards, **merged_of(inputs.task_vector)}
    write_scores(outputs[0], pd.concat(frames).assign(**columns))
