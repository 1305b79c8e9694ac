"""Make zero-shot heads from class names and templates through the pre-trained text tower."""

from typing import TYPE_CHECKING

from remerge.clip.architectures import described
from remerge.clip.encoders import architecture_in, load_clip, tokenizer
from remerge.clip.heads import save_head, zero_shot_head
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    architecture = architecture_in(inputs.clip)
    head = zero_shot_head(load_clip(inputs.clip), tokenizer(architecture), **params.texts)
    save_head(outputs[0], head, {"task": wildcards.task, **described(architecture)})
