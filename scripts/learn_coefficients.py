"""Learn AdaMerging's coefficients on unlabeled test images."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import load_available
from remerge.checkpoints.weights import Weights, load_weights
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_heads
from remerge.images.store import load_image_sets
from remerge.merging.adamerging import learn_coefficients
from remerge.merging.adaptation import adaptation_batches
from remerge.merging.coefficients import write_coefficients
from remerge.merging.ties import trimmed_and_elected
from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.run.resume import Progress, state_of, write_earlier

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

# Fine enough to draw, and a fifth of the rows.
RECORD_EVERY = 5

with job(snakemake) as (inputs, outputs, params, wildcards):
    method = params.method
    available = load_available(params.tasks, inputs.task_vectors)
    task_vectors: list[Weights] = list(available.values())
    if method["keep"] is not None:
        trimming = {"keep": method["keep"], "scope": method["scope"], "frozen": params.frozen}
        task_vectors = list(trimmed_and_elected(task_vectors, **trimming, folder=".snakemake/remerge"))
    progress = Progress(*state_of(outputs.coefficients, inputs, [*params, *wildcards]))
    heads = load_heads(params.tasks, inputs.heads)
    images = load_image_sets(params.tasks, inputs.images)
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
    write_coefficients(outputs.coefficients, history)
    write_earlier(outputs.earlier, progress.earlier)
    progress.done()
