"""Make zero-shot heads from class names and templates through the pre-trained text tower."""

from typing import TYPE_CHECKING

from remerge.encoders import build_clip, tokenizer
from remerge.heads import save_head, zero_shot_head
from remerge.logs import log_to
from remerge.weights import load_weights, read_metadata

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
architecture = read_metadata(snakemake.input.clip)["architecture"]
clip = build_clip(architecture)
clip.load_state_dict(load_weights(snakemake.input.clip))
for path, (task, texts) in zip(snakemake.output, snakemake.params.texts.items(), strict=True):
    head = zero_shot_head(clip, tokenizer(architecture), texts["classes"], texts["templates"])
    save_head(path, head, {"task": task, "architecture": architecture})
