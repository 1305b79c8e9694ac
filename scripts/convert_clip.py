"""Write OpenAI's CLIP, and its image encoder, from a checkpoint in transformers' names."""

import json
from typing import TYPE_CHECKING

from remerge import provenance
from remerge.architectures import described
from remerge.checkpoints.towers import both_towers, image_tower
from remerge.checkpoints.transformers_clip import check_config, clip_weights
from remerge.downloads.records import recorded
from remerge.logs import log_to
from remerge.weights import load_weights, save_weights

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
architecture = snakemake.params.architecture
paths = recorded(snakemake.input.record).paths
check_config(json.loads(paths["config.json"].read_text(encoding="utf-8")), architecture)
clip = both_towers(clip_weights(load_weights(paths["model.safetensors"])), architecture)
save_weights(snakemake.output.clip, clip, described(architecture))
save_weights(snakemake.output.encoder, image_tower(clip), described(architecture))
provenance.record(snakemake)
