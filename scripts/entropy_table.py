"""Compare entropy and loss of one merged result on test images."""

from typing import TYPE_CHECKING

from remerge.clip.heads import load_heads
from remerge.images.store import load_image_sets
from remerge.merging.merged import load_merged
from remerge.run.atomic import atomic_path
from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.scoring.entropy import entropy_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    table = entropy_table(
        load_merged(inputs.encoder).encoder_for,
        load_heads(params.tasks, inputs.heads),
        load_image_sets(params.tasks, inputs.images),
        device=device_for(snakemake.resources),
    )
    with atomic_path(outputs[0]) as path:
        table.to_csv(path, index=False, float_format="%.6f", lineterminator="\n")
