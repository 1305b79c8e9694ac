"""Fine-tune the image encoder on one task, or on all tasks of a suite."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import merged_tasks, save_absent
from remerge.checkpoints.weights import read_metadata, save_weights
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_head
from remerge.clip.training import finetune
from remerge.images.store import load_images
from remerge.run import provenance
from remerge.run.devices import device_for
from remerge.run.logs import log_to
from remerge.run.resume import Progress, fingerprint_of
from remerge.scoring.coverage import tasks_with_images

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
inputs, params = snakemake.input, snakemake.params
depends_on = [inputs.pretrained, *inputs.heads, *inputs.images]
progress = Progress(f".snakemake/remerge/resume/{snakemake.output[0]}", fingerprint_of(depends_on, list(params)))
images = dict(zip(params.tasks, map(load_images, inputs.images), strict=True))
heads = dict(zip(params.tasks, map(load_head, inputs.heads), strict=True))
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
    save_weights(snakemake.output[0], expert.state_dict(), metadata | merged_tasks(trained, params.tasks))
    progress.done()
else:
    save_absent(snakemake.output[0], f"no training images: {next(iter(images.values())).missing}", metadata)
provenance.record(snakemake)
