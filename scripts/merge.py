"""Add the scaled merged task vector to the pre-trained weights, and record how."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from remerge.checkpoints.experts import SEPARATOR, merged_of
from remerge.checkpoints.weights import load_weights, read_metadata, save_weights
from remerge.merging.task_vectors import apply_task_vector
from remerge.run import provenance
from remerge.run.atomic import atomic_path
from remerge.run.logs import log_to
from remerge.scoring.scores import best_scaling, read_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
inputs, method = snakemake.input, snakemake.params.method
scaling = method.get("scaling", 1.0)
if inputs.get("validation"):
    scaling = best_scaling(read_scores(inputs.validation))
merged = apply_task_vector(load_weights(inputs.pretrained), load_weights(inputs.task_vector), scaling)
incomplete = merged_of(inputs.task_vector)
save_weights(snakemake.output.encoder, merged, read_metadata(inputs.pretrained) | incomplete)
record = {
    **snakemake.wildcards,
    "tasks": incomplete["merged"].split(SEPARATOR) if incomplete else snakemake.params.tasks,
    "parameters": method,
    "scaling": scaling,
    "inputs": {
        path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in (inputs.pretrained, inputs.task_vector)
    },
}
with atomic_path(snakemake.output.record) as path:
    path.write_text(json.dumps(record, indent=2) + "\n")
provenance.record(snakemake)
