"""Pre-train a CLIP, and write it packed, with its recipe in the header."""

from typing import TYPE_CHECKING

from remerge.checkpoints.weights import save_weights
from remerge.clip.architectures import described
from remerge.clip.packed import packed
from remerge.clip.recipe import FIELD, SEED
from remerge.clip.training import pretrain
from remerge.images.store import load_images
from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.run.resume import Progress, state_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    progress = Progress(*state_of(outputs[0], inputs, [*params, *wildcards]))
    clip = pretrain(
        load_images(inputs.images),
        params.architecture,
        seed=SEED,
        device=device_for(snakemake.resources),
        progress=progress,
        **params.texts,
        **params.training,
    )
    save_weights(outputs[0], packed(clip.state_dict()), described(params.architecture) | {FIELD: params.recipe})
    progress.done()
