"""Merge task vectors into weights that all tasks share and a part for every task."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import load_available, merged_field
from remerge.checkpoints.headers import read_metadata
from remerge.checkpoints.weights import load_weights
from remerge.merging.decompositions import with_decompositions
from remerge.merging.merged import save_merged
from remerge.methods import load
from remerge.run.devices import device_for_float64
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    available = load_available(params.tasks, inputs.task_vectors)
    task_vectors = with_decompositions(available, params.tasks, inputs.svds)
    pretrained, device = load_weights(inputs.pretrained), device_for_float64(snakemake.resources)
    shared, parts = load(params.algorithm).parts(pretrained, task_vectors, device=device, **params.merging)
    if inputs.get("router"):
        shared |= load_weights(inputs.router)
    metadata = read_metadata(inputs.pretrained) | merged_field(list(task_vectors), params.tasks)
    absent = [task for task in params.tasks if task not in parts]
    save_merged(outputs.shared, shared, metadata, params.assembly, parts, absent)
