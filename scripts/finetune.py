"""Fine-tune the image encoder on one task, or on all tasks of a suite."""

from typing import TYPE_CHECKING

from remerge import provenance
from remerge.devices import device_for
from remerge.encoders import load_encoder
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
expert = finetune(
    load_encoder(inputs.pretrained),
    [load_head(path) for path in inputs.heads],
    [load_images(path) for path in inputs.images],
    seed=params.seed,
    device=device_for(snakemake.resources),
    progress=progress,
    **params.training,
)
metadata = read_metadata(inputs.pretrained) | {"task": ", ".join(params.tasks)}
save_weights(snakemake.output[0], expert.state_dict(), metadata)
progress.done()
provenance.record(snakemake)
