"""TSV-Compress: of every task vector's matrices the largest singular triplets (arXiv:2412.00081, section 4.1).

As the authors' code does it (AntoAndGar/task_singular_vectors): every tensor of two dimensions keeps one T-th of its
triplets for each of T tasks, and at least one; what is no matrix is merged and shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.merging.matrices import Others, merge_others
from remerge.methods.parameters import Method, parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from remerge.checkpoints.weights import Weights


@dataclass(frozen=True, kw_only=True)
class TsvCompress(Method):
    """Of every task vector's matrices the largest singular triplets (arXiv:2412.00081)."""

    algorithm: Literal["tsv_compress"]
    others: Others = parameter(
        "mean",
        description="What is added to tensors that are no matrices, for all tasks: nothing (`zero`), or the task "
        "vectors' `mean` (published) or `sum`.",
    )


def parts(
    pretrained: Weights, task_vectors: Mapping[str, Weights], others: Others
) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """Return the pre-trained weights with other tensors merged, and by task the factors of its matrices.

    Args:
        pretrained: The weights that task vectors start from.
        task_vectors: By task, with the same keys and shapes.
        others: See :data:`remerge.merging.matrices.Others`.

    Raises:
        RemergeError: A task vector holds NaN or infinity.
    """
    from remerge.merging.low_rank import part_weights, truncated
    from remerge.merging.streaming import check_finite
    from remerge.merging.task_vectors import apply_task_vector

    vectors = list(task_vectors.values())
    factors: dict[str, dict[str, tuple[Tensor, Tensor]]] = {task: {} for task in task_vectors}
    moved = {}
    for key in vectors[0]:
        check_finite(vectors, key)
        tensors = [vector[key] for vector in vectors]
        if tensors[0].ndim == 2:
            rank = max(1, min(tensors[0].shape) // len(vectors))
            for task, tensor in zip(task_vectors, tensors, strict=True):
                factors[task][key] = truncated(tensor, rank)
        else:
            moved[key] = merge_others(others, tensors)
    shared = apply_task_vector(pretrained, moved, 1.0)
    return shared, {task: part_weights(own) for task, own in factors.items()}
