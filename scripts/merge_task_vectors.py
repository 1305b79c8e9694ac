"""Merge task vectors into one."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import load_available, merged_field
from remerge.checkpoints.headers import architecture_fields
from remerge.checkpoints.weights import save_weights
from remerge.merging.decompositions import with_decompositions
from remerge.merging.streaming import merged_by
from remerge.methods import load
from remerge.run.devices import device_for_float64
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    parameters = dict(params.merging)
    available = load_available(params.tasks, inputs.task_vectors)
    tasks, task_vectors = list(available), list(with_decompositions(available, params.tasks, inputs.svds).values())
    if inputs.get("coefficients"):
        parameters |= {"coefficients": inputs.coefficients, "tasks": tasks}
    rule = load(params.algorithm).merge_rule(task_vectors, **parameters)
    merged = merged_by(rule, task_vectors, device_for_float64(snakemake.resources))
    metadata = architecture_fields(available[tasks[0]].metadata) | merged_field(tasks, params.tasks)
    save_weights(outputs[0], merged, metadata)
