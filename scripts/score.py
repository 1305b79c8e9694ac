"""Score one encoder on test images of several tasks."""

from typing import TYPE_CHECKING

from remerge import provenance
from remerge.devices import device_for
from remerge.encoders import load_encoder
from remerge.evaluation import score_encoder
from remerge.experts import merged_of
from remerge.heads import load_head
from remerge.images import load_images
from remerge.logs import log_to
from remerge.scores import write_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
tasks = snakemake.params.tasks
frame = score_encoder(
    load_encoder(snakemake.input.encoder),
    dict(zip(tasks, map(load_head, snakemake.input.heads), strict=True)),
    dict(zip(tasks, map(load_images, snakemake.input.images), strict=True)),
    device=device_for(snakemake.resources),
    answers=True,
    **snakemake.params.scoring,
)
columns = {**snakemake.params.columns, **merged_of(snakemake.input.encoder)}
write_scores(snakemake.output[0], frame.assign(split="test", **columns))
provenance.record(snakemake)
