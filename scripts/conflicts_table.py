"""Count sign conflicts between the task vectors of a suite."""

from typing import TYPE_CHECKING

from remerge import provenance
from remerge.files import atomic_path
from remerge.logs import log_to
from remerge.merging.conflicts import sign_conflicts
from remerge.weights import load_weights

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
params = snakemake.params
task_vectors = [load_weights(path) for path in snakemake.input.task_vectors]
table = sign_conflicts(task_vectors, params.shares, params.frozen)
with atomic_path(snakemake.output[0]) as path:
    table.to_csv(path, index=False, float_format="%.3f", lineterminator="\n")
provenance.record(snakemake)
