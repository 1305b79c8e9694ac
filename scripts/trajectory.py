"""Score the encoders that learning passed through, at some of its steps."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge.checkpoints.experts import load_available, merged_tasks
from remerge.checkpoints.weights import load_weights
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_head
from remerge.images.store import load_images
from remerge.merging.coefficients import read_coefficients
from remerge.merging.task_vectors import apply_task_vector
from remerge.methods import load
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
params, tasks, wildcards = snakemake.params, snakemake.params.tasks, snakemake.wildcards
method = load(params.algorithm)
encoder = load_encoder(snakemake.input.pretrained)
pretrained = load_weights(snakemake.input.pretrained)
available = load_available(tasks, snakemake.input.task_vectors)
task_vectors = method.preprocess(list(available.values()), **params.merging, folder=".snakemake/remerge")
heads = dict(zip(tasks, map(load_head, snakemake.input.heads), strict=True))
images = dict(zip(tasks, map(load_images, snakemake.input.images), strict=True))
device = device_for(snakemake.resources)
history = read_coefficients(snakemake.input.coefficients)
frames, scoring = [], params.scoring
steps = [step for step in history.steps if step % params.every == 0]
for step in ProgressBar(steps, desc=f"score {wildcards.method}", unit="encoder"):
    merged = method.merge(task_vectors, history.at(step))
    encoder.load_state_dict(apply_task_vector(pretrained, merged, 1.0))
    scores = score_encoder(encoder, heads, images, device=device, progress=False, answers=True, **scoring)
    frames.append(scores.assign(step=step))
columns = {"pool": wildcards.pool, "suite": wildcards.suite, "method": wildcards.method, "split": "test"}
write_scores(snakemake.output[0], pd.concat(frames).assign(**columns, **merged_tasks(list(available), tasks)))
provenance.record(snakemake)
