"""Subtract the pre-trained weights from an expert's."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import save_absent, why_absent
from remerge.checkpoints.headers import read_metadata
from remerge.checkpoints.weights import load_weights, save_weights
from remerge.merging.task_vectors import task_vector
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    metadata = read_metadata(inputs.finetuned)
    if reason := why_absent(inputs.finetuned):
        save_absent(outputs[0], reason, metadata)
    else:
        difference = task_vector(load_weights(inputs.pretrained), load_weights(inputs.finetuned))
        save_weights(outputs[0], difference, metadata)
