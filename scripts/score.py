"""Score one encoder on test images of several tasks."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import merged_of
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_head
from remerge.images.store import load_images
from remerge.run import provenance
from remerge.run.devices import device_for
from remerge.run.logs import log_to
from remerge.scoring.evaluation import score_encoder
from remerge.scoring.scores import write_scores

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
