"""Extract the image encoder from a pickled module."""

import sys
from typing import TYPE_CHECKING

from remerge.checkpoints.legacy import image_encoder_weights
from remerge.checkpoints.weights import save_weights
from remerge.clip.architectures import described
from remerge.clip.towers import checked_image_tower
from remerge.downloads.pickles import recorded_pickle
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    architecture, expected = params.architecture, params.frozen_entries
    path = recorded_pickle(inputs.record) if inputs.record else inputs.checkpoint
    encoder, beside = image_encoder_weights(path)
    if beside != expected:
        print(
            f"WARNING: {path}: holds {beside} parameters beside the image encoder; the authors' {architecture} files "
            f"hold {expected}. The encoder is used; TIES's trim counts the expected {expected}",
            file=sys.stderr,
        )
    metadata = described(architecture) | {"task": wildcards.checkpoint}
    save_weights(outputs[0], checked_image_tower(encoder, architecture), metadata)
