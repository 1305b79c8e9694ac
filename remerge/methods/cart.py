"""CART: task vectors from the experts' mean, of low rank, added to that mean (arXiv:2412.12153).

As AdaRank's code does it (david3684/AdaRank): the weights of linear layers are truncated, and every other tensor is
averaged. The coefficient scales the truncated task vectors and not the mean. At full rank these sum to zero, and it has
no effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from remerge.merging.matrices import MatrixRule, Which
from remerge.methods.matrix_methods import MatrixMethod, merge_rule_of
from remerge.methods.parameters import parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

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

    def __init__(self, rank: float, coefficient: float, **shared: Any) -> None:
        super().__init__(**shared)
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


merge_rule = merge_rule_of(CentredLowRank, Cart)
