"""TSV-Compress: of every task vector's matrices the largest singular triplets (arXiv:2412.00081, section 4.1).

As the authors' code does it (AntoAndGar/task_singular_vectors): every tensor of two dimensions keeps one T-th of its
triplets for each of T tasks, and at least one; what is no matrix is merged and shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.merging.matrices import Others, matrices_in, merge_others
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

    @property
    def svd_layout(self) -> str:
        """As tensors are stored."""
        return "stored"


def parts(
    pretrained: Weights, task_vectors: Mapping[str, Weights], others: Others, device: str = "cpu"
) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """Return the pre-trained weights with other tensors merged, and by task the factors of its matrices.

    Args:
        pretrained: The weights that task vectors start from.
        task_vectors: By task, with the same keys and shapes.
        others: See :data:`remerge.merging.matrices.Others`.
        device: Where to decompose.

    Raises:
        ParameterError: No tensor is a matrix.
        RemergeError: A task vector holds NaN or infinity.
    """
    from remerge.merging.decompositions import thin_svds
    from remerge.merging.low_rank import in_factors, part_weights
    from remerge.merging.streaming import TasksOfMatrix, check_finite
    from remerge.merging.task_vectors import apply_task_vector

    vectors = list(task_vectors.values())
    factors: dict[str, dict[str, tuple[Tensor, Tensor]]] = {task: {} for task in task_vectors}
    moved = {}
    matrices = matrices_in({key: tensor.shape for key, tensor in vectors[0].items()}, "all", "stored")
    whole = {matrix.places[0].key: matrix for matrix in matrices}
    for key in vectors[0]:
        check_finite(vectors, key)
        if matrix := whole.get(key):
            rank = max(1, min(matrix.shape) // len(vectors))
            svds = thin_svds(TasksOfMatrix(vectors, matrix, device), rank)
            for task, svd in zip(task_vectors, svds, strict=True):
                factors[task][key] = in_factors(svd, rank, vectors[0][key].dtype)
        else:
            moved[key] = merge_others(others, [vector[key] for vector in vectors])
    shared = apply_task_vector(pretrained, moved, 1.0)
    return shared, {task: part_weights(own) for task, own in factors.items()}
