"""Score one encoder on test images of several tasks."""

from typing import TYPE_CHECKING

from remerge.clip.heads import load_heads
from remerge.images.store import load_image_sets
from remerge.merging.merged import load_merged
from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.scoring.evaluation import score_encoder
from remerge.scoring.scores import write_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    merged = load_merged(inputs.encoder)
    image_sets = load_image_sets(params.tasks, inputs.images)
    frame = score_encoder(
        merged.encoder_for,
        load_heads(params.tasks, inputs.heads),
        {task: images for task, images in image_sets.items() if merged.serves(task)},
        device=device_for(snakemake.resources),
        answers=True,
        **params.scoring,
    )
    write_scores(outputs[0], frame.assign(split="test", **params.columns, **merged.columns))
