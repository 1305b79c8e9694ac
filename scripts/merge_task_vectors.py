"""Merge task vectors into one."""

from typing import TYPE_CHECKING

from remerge import provenance
from remerge.architectures import described
from remerge.logs import log_to
from remerge.merging import registry
from remerge.merging.streaming import merged_by
from remerge.weights import load_weights, read_metadata, save_weights

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
algorithm = registry.load(snakemake.params.algorithm)
parameters = dict(snakemake.params.merging)
if snakemake.input.get("coefficients"):
    parameters |= {"coefficients": snakemake.input.coefficients, "tasks": snakemake.params.tasks}
task_vectors = [load_weights(path) for path in snakemake.input.task_vectors]
merged = merged_by(algorithm.rule(task_vectors, **parameters), task_vectors)
save_weights(snakemake.output[0], merged, described(read_metadata(snakemake.input.task_vectors[0])["architecture"]))
provenance.record(snakemake)
