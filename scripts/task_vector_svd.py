"""Decompose the matrices of a task vector, once for every method that needs their singular values and vectors."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import save_absent, why_absent
from remerge.checkpoints.headers import read_metadata
from remerge.checkpoints.weights import load_weights, save_weights
from remerge.merging.decompositions import TASK_VECTOR, decompositions, sha256_of
from remerge.run.devices import device_for_float64
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    metadata = read_metadata(inputs.task_vector) | {TASK_VECTOR: sha256_of(inputs.task_vector)}
    if reason := why_absent(inputs.task_vector):
        save_absent(outputs[0], reason, metadata)
    else:
        device = device_for_float64(snakemake.resources)
        save_weights(outputs[0], decompositions(load_weights(inputs.task_vector), params.layouts, device), metadata)
