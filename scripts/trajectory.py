"""Score the encoders that AdaMerging passed through, at some of its steps."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge.checkpoints.experts import load_available, merged_tasks
from remerge.checkpoints.weights import Weights, load_weights
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_heads
from remerge.images.store import load_image_sets
from remerge.merging.coefficients import merge_by, read_coefficients
from remerge.merging.task_vectors import apply_task_vector
from remerge.merging.ties import trimmed_and_elected
from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.run.progress import ProgressBar
from remerge.scoring.evaluation import score_encoder
from remerge.scoring.scores import write_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    tasks, method, wildcards = params.tasks, params.method, wildcards
    encoder = load_encoder(inputs.pretrained)
    pretrained = load_weights(inputs.pretrained)
    available = load_available(tasks, inputs.task_vectors)
    task_vectors: list[Weights] = list(available.values())
    if method["keep"] is not None:
        trimming = {"keep": method["keep"], "scope": method["scope"], "frozen": params.frozen}
        task_vectors = list(trimmed_and_elected(task_vectors, **trimming, folder=".snakemake/remerge"))
    heads = load_heads(tasks, inputs.heads)
    images = load_image_sets(tasks, inputs.images)
    device = device_for(snakemake.resources)
    history = read_coefficients(inputs.coefficients)
    frames, scoring = [], params.scoring
    steps = [step for step in history.steps if step % params.every == 0]
    for step in ProgressBar(steps, desc=f"score {wildcards.method}", unit="encoder"):
        merged = merge_by(task_vectors, history.at(step).values[0], history.layers)
        encoder.load_state_dict(apply_task_vector(pretrained, merged, 1.0))
        scores = score_encoder(encoder, heads, images, device=device, progress=False, answers=True, **scoring)
        frames.append(scores.assign(step=step))
    columns = {"pool": wildcards.pool, "suite": wildcards.suite, "method": wildcards.method, "split": "test"}
    write_scores(outputs[0], pd.concat(frames).assign(**columns, **merged_tasks(list(available), tasks)))
