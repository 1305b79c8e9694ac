"""Put a merged encoder and the adapters that were learned for it into the files of one merged result."""

from typing import TYPE_CHECKING

from remerge.checkpoints.headers import read_metadata
from remerge.checkpoints.weights import load_weights
from remerge.merging.merged import save_merged
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake
    from torch import Tensor

with job(snakemake) as (inputs, outputs, params, wildcards):
    adapters = load_weights(inputs.adapters)
    parts: dict[str, dict[str, "Tensor"]] = {}
    for key in adapters:
        task, _, name = key.rpartition("/")
        parts.setdefault(task, {})[name] = adapters[key]
    parts = {task: parts[task] for task in params.tasks if task in parts}
    absent = [task for task in params.tasks if task not in parts]
    metadata = read_metadata(inputs.encoder)
    save_merged(outputs.shared, load_weights(inputs.encoder), metadata, params.assembly, parts, absent)
