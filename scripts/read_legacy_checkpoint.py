"""Write the image encoder that a pickled module of 2022 holds."""

import sys
from typing import TYPE_CHECKING

from remerge.checkpoints.legacy import image_encoder_weights
from remerge.checkpoints.weights import save_weights
from remerge.clip.architectures import described
from remerge.clip.towers import checked_image_tower
from remerge.downloads.drive import recorded
from remerge.run import provenance
from remerge.run.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
architecture, expected = snakemake.params.architecture, snakemake.params.frozen_entries
path = recorded(snakemake.input.record) if snakemake.input.record else snakemake.input.checkpoint
encoder, beside = image_encoder_weights(path)
if beside != expected:
    print(
        f"WARNING: {path}: holds {beside} parameters beside the image encoder; the authors' {architecture} files hold "
        f"{expected}. The encoder is used; TIES's trim counts the expected {expected}",
        file=sys.stderr,
    )
metadata = described(architecture) | {"task": snakemake.wildcards.checkpoint}
save_weights(snakemake.output[0], checked_image_tower(encoder, architecture), metadata)
provenance.record(snakemake)
