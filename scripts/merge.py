"""Add the scaled merged task vector to the pre-trained weights, and record the scaling."""

import json
from typing import TYPE_CHECKING

from remerge.checkpoints.headers import merged_of, read_metadata, split_tasks
from remerge.checkpoints.weights import load_weights
from remerge.merging.merged import save_merged
from remerge.merging.task_vectors import apply_task_vector
from remerge.run.atomic import atomic_path
from remerge.run.job import job
from remerge.scoring.scores import best_scaling, read_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    scaling = params.method.get("scaling", 1.0)
    if inputs.get("validation"):
        scaling = best_scaling(read_scores(inputs.validation))
    merged = apply_task_vector(load_weights(inputs.pretrained), load_weights(inputs.task_vector), scaling)
    incomplete = merged_of(inputs.task_vector)
    save_merged(outputs.encoder, merged, read_metadata(inputs.pretrained) | incomplete)
    tasks = split_tasks(incomplete["merged"]) if incomplete else params.tasks
    with atomic_path(outputs.record) as path:
        path.write_text(json.dumps({**wildcards, "tasks": tasks, "scaling": scaling}, indent=2) + "\n")
