"""Score one encoder on test images of several tasks."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import merged_of
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_heads
from remerge.images.store import load_image_sets
from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.scoring.evaluation import score_encoder
from remerge.scoring.scores import write_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    frame = score_encoder(
        load_encoder(inputs.encoder),
        load_heads(params.tasks, inputs.heads),
        load_image_sets(params.tasks, inputs.images),
        device=device_for(snakemake.resources),
        answers=True,
        **params.scoring,
    )
    columns = {**params.columns, **merged_of(inputs.encoder)}
    write_scores(outputs[0], frame.assign(split="test", **columns))
