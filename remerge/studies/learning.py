"""AdaMerging within a study, on the images that the study looks at."""

from collections.abc import Mapping, Sequence
from typing import Any

from remerge.checkpoints.weights import Weights
from remerge.merging.adamerging import learn_coefficients
from remerge.merging.adaptation import adaptation_batches
from remerge.merging.coefficients import merge_by
from remerge.merging.ties import trimmed_and_elected
from remerge.scoring.bench import Bench


def learned(
    bench: Bench, method: Mapping[str, Any], task_vectors: Mapping[str, Weights], *, seed: int, frozen: int
) -> Weights:
    """Return task vectors merged by coefficients that are learned on images of their tasks and no others.

    Args:
        bench: Encoder, pre-trained weights, heads and unlabeled test images.
        method: AdaMerging's parameters.
        task_vectors: By task.
        seed: Of the draws of images.
        frozen: See :func:`remerge.merging.ties.trim_thresholds`.
    """
    tasks = list(task_vectors)
    vectors: Sequence[Weights] = list(task_vectors.values())
    if method["keep"] is not None:
        vectors = trimmed_and_elected(vectors, method["keep"], method["scope"], frozen)
    images = [bench.images["test"][task] for task in tasks]
    history = learn_coefficients(
        bench.encoder,
        [bench.heads[task] for task in tasks],
        bench.pretrained,
        vectors,
        adaptation_batches(images, batch_size=method["batch_size"], seed=seed),
        tasks=tasks,
        granularity=method["granularity"],
        steps=method["steps"],
        learning_rate=method["learning_rate"],
        initial=method["initial"],
        record_every=method["steps"],
        device=bench.device,
    )
    return merge_by(vectors, history.values[-1], history.layers)
