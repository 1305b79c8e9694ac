"""Check a downloaded Flan-T5, and write its weights and its tokeniser."""

import json
import shutil
from typing import TYPE_CHECKING

from remerge.checkpoints.weights import load_weights, save_weights
from remerge.downloads.records import recorded
from remerge.run.atomic import atomic_path
from remerge.run.job import job
from remerge.t5.published import check_config, checked_t5

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    paths = recorded(inputs.record).paths
    check_config(json.loads(paths["config.json"].read_text(encoding="utf-8")), params.architecture)
    weights = checked_t5(load_weights(paths["model.safetensors"]), params.architecture)
    save_weights(outputs.weights, weights, {"architecture": params.architecture})
    with atomic_path(outputs.tokeniser) as path:
        shutil.copyfile(paths["tokenizer.json"], path)
