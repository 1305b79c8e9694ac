"""Merge task vectors into one."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import load_available, merged_tasks
from remerge.checkpoints.weights import save_weights
from remerge.clip.architectures import described
from remerge.merging.streaming import merged_by
from remerge.methods import load
from remerge.run import provenance
from remerge.run.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
parameters = dict(snakemake.params.merging)
available = load_available(snakemake.params.tasks, snakemake.input.task_vectors)
tasks, task_vectors = list(available), list(available.values())
if snakemake.input.get("coefficients"):
    parameters |= {"coefficients": snakemake.input.coefficients, "tasks": tasks}
merged = merged_by(load(snakemake.params.algorithm).merge_rule(task_vectors, **parameters), task_vectors)
metadata = described(task_vectors[0].metadata["architecture"]) | merged_tasks(tasks, snakemake.params.tasks)
save_weights(snakemake.output[0], merged, metadata)
provenance.record(snakemake)
