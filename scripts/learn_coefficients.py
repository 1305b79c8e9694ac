"""Learn merging coefficients on unlabeled test images."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import load_available
from remerge.checkpoints.weights import load_weights
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_head
from remerge.findings.cost import write_earlier
from remerge.images.store import load_images
from remerge.merging.coefficients import write_coefficients
from remerge.methods import load
from remerge.run import provenance
from remerge.run.devices import device_for
from remerge.run.logs import log_to
from remerge.run.resume import Progress, fingerprint_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

# Fine enough to draw, and a fifth of the rows.
RECORD_EVERY = 5

log_to(snakemake.log[0])
provenance.begin(snakemake)
inputs, params = snakemake.input, snakemake.params
method = load(params.algorithm)
available = load_available(params.tasks, inputs.task_vectors)
task_vectors = method.preprocess(list(available.values()), **params.merging, folder=".snakemake/remerge")
depends_on = [inputs.pretrained, *inputs.task_vectors, *inputs.heads, *inputs.images]
progress = Progress(
    f".snakemake/remerge/resume/{snakemake.output.coefficients}", fingerprint_of(depends_on, list(params))
)
heads = dict(zip(params.tasks, map(load_head, inputs.heads), strict=True))
images = dict(zip(params.tasks, map(load_images, inputs.images), strict=True))
history = method.learn(
    dict(zip(available, task_vectors, strict=True)),
    load_encoder(inputs.pretrained),
    load_weights(inputs.pretrained),
    heads,
    images,
    seed=params.seed,
    device=device_for(snakemake.resources),
    progress=progress,
    record_every=RECORD_EVERY,
    **params.learning,
)
write_coefficients(snakemake.output.coefficients, history)
write_earlier(snakemake.output.earlier, progress.earlier)
progress.done()
provenance.record(snakemake)
