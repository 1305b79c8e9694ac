"""Learn merging coefficients on unlabeled test images."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import load_available
from remerge.checkpoints.weights import load_weights
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_heads
from remerge.images.store import load_image_sets
from remerge.merging.coefficients import write_coefficients
from remerge.methods import load
from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.run.resume import Progress, state_of, write_earlier

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

# Fine enough to draw, and a fifth of the rows.
RECORD_EVERY = 5

with job(snakemake) as (inputs, outputs, params, wildcards):
    method = load(params.algorithm)
    available = load_available(params.tasks, inputs.task_vectors)
    task_vectors = method.preprocess(list(available.values()), **params.merging, folder=".snakemake/remerge")
    progress = Progress(*state_of(outputs.coefficients, inputs, [*params, *wildcards]))
    history = method.learn(
        dict(zip(available, task_vectors, strict=True)),
        load_encoder(inputs.pretrained),
        load_weights(inputs.pretrained),
        load_heads(params.tasks, inputs.heads),
        load_image_sets(params.tasks, inputs.images),
        seed=params.seed,
        device=device_for(snakemake.resources),
        progress=progress,
        record_every=RECORD_EVERY,
        **params.learning,
    )
    write_coefficients(outputs.coefficients, history)
    write_earlier(outputs.earlier, progress.earlier)
    progress.done()
