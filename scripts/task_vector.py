"""Subtract the pre-trained weights from an expert's."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import save_absent, why_absent
from remerge.checkpoints.weights import load_weights, read_metadata, save_weights
from remerge.merging.task_vectors import task_vector
from remerge.run import provenance
from remerge.run.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
inputs, metadata = snakemake.input, read_metadata(snakemake.input.finetuned)
if reason := why_absent(inputs.finetuned):
    save_absent(snakemake.output[0], reason, metadata)
else:
    difference = task_vector(load_weights(inputs.pretrained), load_weights(inputs.finetuned))
    save_weights(snakemake.output[0], difference, metadata)
provenance.record(snakemake)
