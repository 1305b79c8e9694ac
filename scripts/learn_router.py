"""Learn the router between the parts of a merged result, on images whose labels are not read."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import load_available
from remerge.checkpoints.weights import load_weights, save_weights
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_heads
from remerge.images.store import load_image_sets
from remerge.merging.decompositions import with_decompositions
from remerge.methods import load
from remerge.run.devices import device_for, device_for_float64
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    method, available = load(params.algorithm), load_available(params.tasks, inputs.task_vectors)
    task_vectors = with_decompositions(available, params.tasks, inputs.svds)
    pretrained, device = load_weights(inputs.pretrained), device_for_float64(snakemake.resources)
    shared, parts = method.parts(pretrained, task_vectors, device=device, **params.merging)
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
