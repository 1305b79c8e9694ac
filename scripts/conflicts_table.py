"""Count sign conflicts between the task vectors of a suite."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import load_available
from remerge.merging.conflicts import sign_conflicts
from remerge.run.atomic import atomic_path
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    task_vectors = load_available(params.tasks, inputs.task_vectors)
    table = sign_conflicts(list(task_vectors.values()), params.shares, params.frozen_entries)
    with atomic_path(outputs[0]) as path:
        table.to_csv(path, index=False, float_format="%.3f", lineterminator="\n")
