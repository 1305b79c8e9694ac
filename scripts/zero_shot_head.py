"""Make zero-shot heads from class names and templates through the pre-trained text tower."""

from typing import TYPE_CHECKING

from remerge.clip.architectures import described
from remerge.clip.encoders import architecture_in, load_clip, tokenizer
from remerge.clip.heads import save_head, zero_shot_head
from remerge.run import provenance
from remerge.run.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
architecture = architecture_in(snakemake.input.clip)
head = zero_shot_head(load_clip(snakemake.input.clip), tokenizer(architecture), **snakemake.params.texts)
save_head(snakemake.output[0], head, {"task": snakemake.wildcards.task, **described(architecture)})
provenance.record(snakemake)
