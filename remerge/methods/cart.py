"""CART: task vectors from the experts' mean, of low rank, added to that mean (arXiv:2412.12153).

As AdaRank's code does it (david3684/AdaRank): the weights of linear layers are truncated, and every other tensor is
averaged. The coefficient scales the truncated task vectors and not the mean. At full rank these sum to zero, and it has
no effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.errors import ParameterError
from remerge.merging.matrices import MatrixRule, Others, Qkv, Which
from remerge.methods.parameters import MatrixMethod, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from remerge.checkpoints.weights import Weights
    from remerge.merging.rules import Matrix


@dataclass(frozen=True, kw_only=True)
class Cart(MatrixMethod):
    """The experts' mean plus scaled task vectors of low rank from there (arXiv:2412.12153)."""

    algorithm: Literal["cart"]
    matrices: Which = parameter(
        "linear", description="Which tensors are truncated as matrices; the mean is the same for the others."
    )
    rank: float = parameter(
        0.16, gt=0, le=1, description="Share of the rank that truncation keeps. AdaRank: 0.16 for eight tasks."
    )
    coefficient: float = parameter(
        2.3,
        description="The coefficient lambda of the truncated task vectors. AdaRank, for eight tasks: 2.3 for ViT-B/32, "
        "3.0 for ViT-L/14.",
    )


class CentredLowRank(MatrixRule):
    """The mean over tasks plus the scaled sum of what each differs from it, of low rank."""

    def __init__(self, matrices: Which, others: Others, qkv: Qkv, rank: float, coefficient: float) -> None:
        super().__init__(matrices, others, qkv)
        self.rank = rank
        self.coefficient = coefficient

    def merge_matrix(self, matrix: Matrix, tasks: Sequence[Tensor]) -> Tensor:
        """Return the merged matrix."""
        import torch

        from remerge.merging.singular import thin_svd

        mean = sum(tasks[1:], tasks[0]) / len(tasks)
        merged = mean.to(torch.float64, copy=True)
        for task in tasks:
            left, values, right = thin_svd(task - mean, max(1, int(self.rank * min(matrix.shape))))
            merged += self.coefficient * left * values @ right.T
        return merged


def merge_rule(
    task_vectors: Sequence[Weights],
    rank: float = 0.16,
    coefficient: float = 2.3,
    matrices: Which = "linear",
    others: Others = "mean",
    qkv: Qkv = "stored",
) -> MatrixRule:
    """Return the method as a merge rule.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        rank: Share of the rank that truncation keeps, in (0, 1]; at least one direction is kept.
        coefficient: The coefficient of the truncated task vectors.
        matrices: See :data:`remerge.merging.matrices.Which`.
        others: See :data:`remerge.merging.matrices.Others`.
        qkv: See :data:`remerge.merging.matrices.Qkv`.

    Raises:
        ParameterError: A parameter is out of range or none of its values.
    """
    if not 0 < rank <= 1:
        raise ParameterError(f"rank must be a share in (0, 1], got {rank!r}")
    return CentredLowRank(matrices, others, qkv, rank, coefficient)
