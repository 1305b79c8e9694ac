"""Add a LoRA adapter to the pre-trained weights: the expert, as PEFT's ``merge_and_unload`` makes it."""

from typing import TYPE_CHECKING

from remerge.checkpoints.headers import read_metadata
from remerge.checkpoints.lora import WEIGHTS, Adapter
from remerge.checkpoints.weights import load_weights, save_weights
from remerge.downloads.records import recorded
from remerge.merging.lora import of_adapter
from remerge.merging.task_vectors import apply_task_vector
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    pretrained, adapter = load_weights(inputs.pretrained), Adapter(recorded(inputs.record).paths[WEIGHTS])
    adapter.check_fits(pretrained)
    expert = apply_task_vector(pretrained, of_adapter(pretrained, adapter), 1.0)
    save_weights(outputs[0], expert, read_metadata(inputs.pretrained) | {"task": wildcards.task})
