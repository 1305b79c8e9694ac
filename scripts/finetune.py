"""Fine-tune the image encoder on one task, or on all tasks of a suite."""

from typing import TYPE_CHECKING

from remerge import provenance
from remerge.coverage import tasks_with_images
from remerge.devices import device_for
from remerge.encoders import load_encoder
from remerge.experts import merged_tasks, save_absent
from remerge.heads import load_head
from remerge.images import load_images
from remerge.logs import log_to
from remerge.resume import Progress, fingerprint_of
from remerge.training import finetune
from remerge.weights import read_metadata, save_weights

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
