"""Merge task vectors into weights that all tasks share and a part for every task."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import load_available, merged_field
from remerge.checkpoints.headers import read_metadata
from remerge.checkpoints.weights import load_weights
from remerge.merging.merged import save_merged
from remerge.methods import load
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    task_vectors = load_available(params.tasks, inputs.task_vectors)
    shared, parts = load(params.algorithm).parts(load_weights(inputs.pretrained), task_vectors, **params.merging)
    if inputs.get("router"):
        shared |= load_weights(inputs.router)
    metadata = read_metadata(inputs.pretrained) | merged_field(list(task_vectors), params.tasks)
    absent = [task for task in params.tasks if task not in parts]
    save_merged(outputs.shared, shared, metadata, params.assembly, parts, absent)
