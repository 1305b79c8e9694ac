"""Convert an expert's image encoder from transformers' names to open_clip's."""

import json
from typing import TYPE_CHECKING

from remerge.checkpoints.legacy import read_module_state
from remerge.checkpoints.weights import load_weights, save_weights
from remerge.clip.architectures import described
from remerge.clip.towers import checked_image_tower
from remerge.clip.transformers_clip import check_config, image_encoder_weights
from remerge.downloads.records import recorded
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    architecture = params.architecture
    paths = recorded(inputs.record).paths
    check_config(json.loads(paths["config.json"].read_text(encoding="utf-8")), architecture)
    projection = load_weights(inputs.pretrained)["proj"]
    (name,) = paths.keys() - {"config.json"}
    # A pickle is read without executing anything in it.
    weights = load_weights(paths[name]) if name.endswith(".safetensors") else read_module_state(paths[name])
    encoder = image_encoder_weights(weights, projection)
    metadata = described(architecture) | {"task": wildcards.task}
    save_weights(outputs[0], checked_image_tower(encoder, architecture), metadata)
