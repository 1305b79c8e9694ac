"""Learn AdaMerging's coefficients on unlabeled test images."""

from typing import TYPE_CHECKING

from remerge import provenance
from remerge.adaptation import adaptation_batches
from remerge.devices import device_for
from remerge.encoders import load_encoder
from remerge.heads import load_head
from remerge.images import load_images
from remerge.logs import log_to
from remerge.merging.adamerging import learn_coefficients
from remerge.merging.coefficients import write_coefficients
from remerge.merging.ties import trimmed_and_elected
from remerge.resume import Progress, fingerprint_of
from remerge.weights import Weights, load_weights

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

# Fine enough to draw, and a fifth of the rows.
RECORD_EVERY = 5

log_to(snakemake.log[0])
provenance.begin(snakemake)
method = snakemake.params.method
task_vectors: list[Weights] = [load_weights(path) for path in snakemake.input.task_vectors]
if method["keep"] is not None:
    trimming = {"keep": method["keep"], "scope": method["scope"], "frozen": snakemake.params.frozen}
    task_vectors = list(trimmed_and_elected(task_vectors, **trimming, folder=".snakemake/remerge"))
inputs, params = snakemake.input, snakemake.params
depends_on = [inputs.pretrained, *inputs.task_vectors, *inputs.heads, *inputs.images]
progress = Progress(f".snakemake/remerge/resume/{snakemake.output[0]}", fingerprint_of(depends_on, list(params)))
history = learn_coefficients(
    load_encoder(inputs.pretrained),
    [load_head(path) for path in inputs.heads],
    load_weights(inputs.pretrained),
    task_vectors,
    adaptation_batches(
        [load_images(path) for path in inputs.images], batch_size=method["batch_size"], seed=params.seed
    ),
    tasks=params.tasks,
    granularity=method["granularity"],
    steps=method["steps"],
    learning_rate=method["learning_rate"],
    initial=method["initial"],
    record_every=RECORD_EVERY,
    device=device_for(snakemake.resources),
    progress=progress,
)
write_coefficients(snakemake.output[0], history)
progress.done()
provenance.record(snakemake)
