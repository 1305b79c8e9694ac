"""Pre-train a CLIP; write both towers, and the image encoder alone."""

from typing import TYPE_CHECKING

from remerge.checkpoints.weights import save_weights
from remerge.clip.architectures import described
from remerge.clip.training import pretrain
from remerge.images.store import load_images
from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.run.resume import Progress, state_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    progress = Progress(*state_of(outputs.clip, inputs, [*params, *wildcards]))
    clip = pretrain(
        load_images(inputs.images),
        params.architecture,
        seed=params.seed,
        device=device_for(snakemake.resources),
        progress=progress,
        **params.texts,
        **params.training,
    )
    metadata = described(params.architecture)
    save_weights(outputs.clip, clip.state_dict(), metadata)
    save_weights(outputs.encoder, clip.visual.state_dict(), metadata)
    progress.done()
