"""Fine-tune the image encoder on one task, or on all tasks of a suite."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import merged_field, save_absent
from remerge.checkpoints.headers import read_metadata
from remerge.checkpoints.weights import save_weights
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_heads
from remerge.clip.training import finetune
from remerge.images.store import load_image_sets
from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.run.resume import Progress, state_of
from remerge.scoring.coverage import tasks_with_images

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    progress = Progress(*state_of(outputs[0], inputs, [*params, *wildcards]))
    images = load_image_sets(params.tasks, inputs.images)
    heads = load_heads(params.tasks, inputs.heads)
    metadata = read_metadata(inputs.pretrained) | {"task": ", ".join(params.tasks)}
    if trained := tasks_with_images(images):
        expert = finetune(
            load_encoder(inputs.pretrained),
            [heads[task] for task in trained],
            [images[task] for task in trained],
            seed=params.seed,
            device=device_for(snakemake.resources),
            progress=progress,
            **params.training,
        )
        save_weights(outputs[0], expert.state_dict(), metadata | merged_field(trained, params.tasks))
        progress.done()
    else:
        save_absent(outputs[0], f"no training images: {next(iter(images.values())).missing}", metadata)
