"""Weight averaging: the mean of the fine-tuned models (Model soups, arXiv:2203.05482)."""

from collections.abc import Sequence

from torch import Tensor

from remerge.merging import task_arithmetic
from remerge.weights import Weights


def merged_task_vector(task_vectors: Sequence[Weights]) -> dict[str, Tensor]:
    """Return the mean of the task vectors; added with scaling 1 it gives the mean of the fine-tuned models."""
    total = task_arithmetic.merged_task_vector(task_vectors)
    return {key: tensor / len(task_vectors) for key, tensor in total.items()}
