"""Count sign conflicts between the task vectors of a suite."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import load_available
from remerge.merging.conflicts import sign_conflicts
from remerge.run import provenance
from remerge.run.atomic import atomic_path
from remerge.run.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
params = snakemake.params
task_vectors = load_available(params.tasks, snakemake.input.task_vectors)
table = sign_conflicts(list(task_vectors.values()), params.shares, params.frozen_entries)
with atomic_path(snakemake.output[0]) as path:
    table.to_csv(path, index=False, float_format="%.3f", lineterminator="\n")
provenance.record(snakemake)
