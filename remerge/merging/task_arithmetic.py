"""Task Arithmetic: the sum of the task vectors (arXiv:2212.04089, section 2)."""

from collections.abc import Sequence

from torch import Tensor

from remerge.weights import Weights


def merged_task_vector(task_vectors: Sequence[Weights]) -> dict[str, Tensor]:
    """Return the sum of the task vectors, tensor by tensor."""
    total = {}
    for key in task_vectors[0]:
        total[key] = task_vectors[0][key].clone()
        for vector in task_vectors[1:]:
            total[key] += vector[key]
    return total
