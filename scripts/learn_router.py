"""Learn the router between the parts of a merged result, on images whose labels are not read."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import load_available
from remerge.checkpoints.weights import load_weights, save_weights
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_heads
from remerge.images.store import load_image_sets
from remerge.methods import load
from remerge.run.devices import device_for
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    method, task_vectors = load(params.algorithm), load_available(params.tasks, inputs.task_vectors)
    shared, parts = method.parts(load_weights(inputs.pretrained), task_vectors, **params.merging)
    learned = method.learn(
        shared,
        parts,
        load_encoder(inputs.pretrained),
        load_heads(params.tasks, inputs.heads),
        load_image_sets(params.tasks, inputs.images),
        seed=params.seed,
        device=device_for(snakemake.resources),
        **params.learning,
    )
    save_weights(outputs[0], learned)
