"""Learn AdaMerging's coefficients on unlabeled test images."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import load_available
from remerge.checkpoints.weights import Weights, load_weights
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_head
from remerge.findings.cost import write_earlier
from remerge.images.store import load_images
from remerge.merging.adamerging import learn_coefficients
from remerge.merging.adaptation import adaptation_batches
from remerge.merging.coefficients import write_coefficients
from remerge.merging.ties import trimmed_and_elected
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
method = snakemake.params.method
available = load_available(snakemake.params.tasks, snakemake.input.task_vectors)
task_vectors: list[Weights] = list(available.values())
if method["keep"] is not None:
    trimming = {"keep": method["keep"], "scope": method["scope"], "frozen": snakemake.params.frozen}
    task_vectors = list(trimmed_and_elected(task_vectors, **trimming, folder=".snakemake/remerge"))
inputs, params = snakemake.input, snakemake.params
depends_on = [inputs.pretrained, *inputs.task_vectors, *inputs.heads, *inputs.images]
progress = Progress(
    f".snakemake/remerge/resume/{snakemake.output.coefficients}", fingerprint_of(depends_on, list(params))
)
heads = dict(zip(params.tasks, map(load_head, inputs.heads), strict=True))
images = dict(zip(params.tasks, map(load_images, inputs.images), strict=True))
history = learn_coefficients(
    load_encoder(inputs.pretrained),
    [heads[task] for task in available],
    load_weights(inputs.pretrained),
    task_vectors,
    adaptation_batches([images[task] for task in available], batch_size=method["batch_size"], seed=params.seed),
    tasks=list(available),
    granularity=method["granularity"],
    steps=method["steps"],
    learning_rate=method["learning_rate"],
    initial=method["initial"],
    record_every=RECORD_EVERY,
    device=device_for(snakemake.resources),
    progress=progress,
)
write_coefficients(snakemake.output.coefficients, history)
write_earlier(snakemake.output.earlier, progress.earlier)
progress.done()
provenance.record(snakemake)
