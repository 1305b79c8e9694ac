"""Merge task vectors by statistics of the experts."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import load_available, merged_field
from remerge.checkpoints.weights import OnDevice, save_weights
from remerge.clip.architectures import described
from remerge.methods import load
from remerge.run.devices import device_for_float64
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    tasks, device = params.tasks, device_for_float64(snakemake.resources)
    known = load_available(tasks, inputs.statistics)
    # An expert of whom nothing is known has no weight in the mean: its task is not merged, and tables say so.
    available = {task: vector for task, vector in load_available(tasks, inputs.task_vectors).items() if task in known}
    task_vectors = [OnDevice(vector, device) for vector in available.values()]
    statistics = [OnDevice(known[task], device) for task in available]
    merged = load(params.algorithm).merge(task_vectors, statistics, **params.merging)
    architecture = next(iter(available.values())).metadata["architecture"]
    save_weights(outputs[0], merged, described(architecture) | merged_field(list(available), tasks))
