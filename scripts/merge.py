"""Add the scaled merged task vector to the pre-trained weights, and record how."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from remerge.checkpoints.experts import SEPARATOR, merged_of
from remerge.checkpoints.weights import load_weights, read_metadata, save_weights
from remerge.merging.task_vectors import apply_task_vector
from remerge.run.atomic import atomic_path
from remerge.run.job import job
from remerge.scoring.scores import best_scaling, read_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    method = params.method
    scaling = method.get("scaling", 1.0)
    if inputs.get("validation"):
        scaling = best_scaling(read_scores(inputs.validation))
    merged = apply_task_vector(load_weights(inputs.pretrained), load_weights(inputs.task_vector), scaling)
    incomplete = merged_of(inputs.task_vector)
    save_weights(outputs.encoder, merged, read_metadata(inputs.pretrained) | incomplete)
    record = {
        **wildcards,
        "tasks": incomplete["merged"].split(SEPARATOR) if incomplete else params.tasks,
        "parameters": method,
        "scaling": scaling,
        "inputs": {
            path: hashlib.sha256(Path(path).read_bytes()).hexdigest()
            for path in (inputs.pretrained, inputs.task_vector)
        },
    }
    with atomic_path(outputs.record) as path:
        path.write_text(json.dumps(record, indent=2) + "\n")
