"""Merge task vectors with images of all tasks at hand."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import load_available, merged_field
from remerge.checkpoints.weights import Weights, load_weights, save_weights
from remerge.clip.architectures import described
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_heads
from remerge.errors import RemergeError
from remerge.images.store import load_image_sets
from remerge.merging.exemplars import Exemplars, sampled
from remerge.methods import load
from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.scoring.bench import Bench, Variant
from remerge.scoring.scores import average_accuracy

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def accuracy(vector: Weights) -> float:
    """Return percent correct on the exemplars."""
    return float(average_accuracy(bench.score([Variant({"scaling": 1.0}, vector, 1.0)]), ["scaling"])["average"].item())


with job(snakemake) as (inputs, outputs, params, wildcards):
    device, tasks = device_for(snakemake.resources), params.tasks
    pretrained, encoder = load_weights(inputs.pretrained), load_encoder(inputs.pretrained).to(device)
    sets = load_image_sets(tasks, inputs.images)
    heads = {task: head.to(device) for task, head in load_heads(tasks, inputs.heads).items()}
    # Without images nothing is known of an expert: its task is not merged, and tables say so.
    task_vectors = {task: own for task, own in load_available(tasks, inputs.task_vectors).items() if len(sets[task])}
    if not task_vectors:
        raise RemergeError("no expert's task has validation images; provide images of at least one task")
    images = {task: sampled(sets[task], params.images, params.seed) for task in task_vectors}
    bench = Bench(encoder, pretrained, heads, {"validation": images}, device, params.scoring)
    exemplars = Exemplars(encoder, pretrained, heads, images, accuracy, device)
    merged = load(params.algorithm).merge(task_vectors, exemplars, **params.merging)
    metadata = described(pretrained.metadata["architecture"]) | merged_field(list(task_vectors), tasks)
    save_weights(outputs[0], merged, metadata)
