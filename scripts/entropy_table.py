"""Compare entropy and loss of one merged encoder on test images."""

from typing import TYPE_CHECKING

from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_head
from remerge.images.store import load_images
from remerge.run import provenance
from remerge.run.atomic import atomic_path
from remerge.run.devices import device_for
from remerge.run.logs import log_to
from remerge.scoring.entropy import entropy_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
inputs, tasks = snakemake.input, snakemake.params.tasks
table = entropy_table(
    load_encoder(inputs.encoder),
    dict(zip(tasks, map(load_head, inputs.heads), strict=True)),
    dict(zip(tasks, map(load_images, inputs.images), strict=True)),
    device=device_for(snakemake.resources),
)
with atomic_path(snakemake.output[0]) as path:
    table.to_csv(path, index=False, float_format="%.6f", lineterminator="\n")
provenance.record(snakemake)
