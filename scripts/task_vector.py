"""Subtract the pre-trained weights from an expert's."""

from typing import TYPE_CHECKING

from remerge import provenance
from remerge.logs import log_to
from remerge.merging.task_vectors import task_vector
from remerge.weights import load_weights, read_metadata, save_weights

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
difference = task_vector(load_weights(snakemake.input.pretrained), load_weights(snakemake.input.finetuned))
save_weights(snakemake.output[0], difference, read_metadata(snakemake.input.finetuned))
provenance.record(snakemake)
