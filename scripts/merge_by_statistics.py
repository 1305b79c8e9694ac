"""Merge task vectors by what is known of the experts."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import load_available, merged_tasks
from remerge.checkpoints.weights import save_weights
from remerge.clip.architectures import described
from remerge.methods import load
from remerge.run import provenance
from remerge.run.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
inputs, params, tasks = snakemake.input, snakemake.params, snakemake.params.tasks
known = load_available(tasks, inputs.statistics)
# An expert of whom nothing is known has no weight in the mean: its task is not merged, and tables say so.
available = {task: vector for task, vector in load_available(tasks, inputs.task_vectors).items() if task in known}
task_vectors, statistics = list(available.values()), [known[task] for task in available]
merged = load(params.algorithm).merge(task_vectors, statistics, **params.merging)
metadata = described(task_vectors[0].metadata["architecture"]) | merged_tasks(list(available), tasks)
save_weights(snakemake.output[0], merged, metadata)
provenance.record(snakemake)
