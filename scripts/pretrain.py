"""Pre-train a CLIP; write both towers, and the image encoder alone."""

from typing import TYPE_CHECKING

from remerge.checkpoints.weights import save_weights
from remerge.clip.architectures import described
from remerge.clip.training import pretrain
from remerge.images.store import load_images
from remerge.run import provenance
from remerge.run.devices import device_for
from remerge.run.logs import log_to
from remerge.run.resume import Progress, fingerprint_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
inputs, params = snakemake.input, snakemake.params
key = fingerprint_of([inputs.images], list(params))
progress = Progress(f".snakemake/remerge/resume/{snakemake.output.clip}", key)
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
save_weights(snakemake.output.clip, clip.state_dict(), metadata)
save_weights(snakemake.output.encoder, clip.visual.state_dict(), metadata)
progress.done()
provenance.record(snakemake)
