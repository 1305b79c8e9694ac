"""Merge task vectors by what is known of the experts."""

from typing import TYPE_CHECKING

from remerge import provenance
from remerge.architectures import described
from remerge.logs import log_to
from remerge.merging import registry
from remerge.weights import load_weights, read_metadata, save_weights

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
inputs, method = snakemake.input, snakemake.params.method
task_vectors = [load_weights(path) for path in inputs.task_vectors]
statistics = [load_weights(path) for path in inputs.statistics]
algorithm = registry.load(method["algorithm"])
if method["algorithm"] == "fisher":
    merged = algorithm.merge(task_vectors, statistics)
else:
    merged = algorithm.merge(task_vectors, statistics, method["off_diagonal"])
save_weights(snakemake.output[0], merged, described(read_metadata(inputs.task_vectors[0])["architecture"]))
provenance.record(snakemake)
