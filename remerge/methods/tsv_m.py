"""TSV-Merge: every task's largest singular vectors, made orthogonal to the other tasks' (arXiv:2412.00081).

As the authors' code does it (AntoAndGar/task_singular_vectors): every tensor with two dimensions is a matrix, all other
tensors are averaged, and the coefficient scales both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.merging.matrices import MatrixRule
from remerge.methods.matrix_methods import MatrixMethod, merge_rule_of
from remerge.methods.parameters import Scaling, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from remerge.merging.rules import Matrix


@dataclass(frozen=True, kw_only=True)
class TsvM(MatrixMethod):
    """TSV-Merge: every task's largest singular vectors, made orthogonal to the other tasks' (arXiv:2412.00081)."""

    algorithm: Literal["tsv_m"]
    scaling: Scaling = parameter(1.0, description="The merging coefficient alpha.")

    @property
    def svd_layout(self) -> str:
        """As the parameter says."""
        return self.qkv


class OrthogonalSingularVectors(MatrixRule):
    """Truncated decompositions, whose singular vectors are made orthogonal across tasks."""

    shares_rank = True

    def merge_matrix(self, matrix: Matrix, tasks: Sequence[Tensor]) -> Tensor:
        """Return the sum of all tasks' truncated matrices with orthogonal singular vectors."""
        from remerge.merging.decompositions import thin_svds
        from remerge.merging.singular import side_by_side, with_orthonormal

        rank = min(matrix.shape) // len(tasks)
        return with_orthonormal(*side_by_side(thin_svds(tasks, rank)))


merge_rule = merge_rule_of(OrthogonalSingularVectors, TsvM)
