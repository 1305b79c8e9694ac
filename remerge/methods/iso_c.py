"""Iso-C: the sum of the task vectors with all singular values equal (arXiv:2502.04959).

As the authors' code does it (danielm1405/iso-merging): every tensor with two dimensions is a matrix, all other tensors
are averaged, and the coefficient scales both. Directions in which no task moved stay pre-trained; the authors' code
moves them along whatever vectors the decomposition returns there.
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
class IsoC(MatrixMethod):
    """The sum of the task vectors with all singular values equal (arXiv:2502.04959)."""

    algorithm: Literal["iso_c"]
    scaling: Scaling = parameter(
        1.3,
        description="The merging coefficient alpha. The authors' best for eight tasks: 1.3 for ViT-B/32, "
        "1.4 for ViT-B/16, 1.5 for ViT-L/14.",
    )


class EqualSingularValues(MatrixRule):
    """The sum over tasks, every singular value replaced by their mean."""

    def merge_matrix(self, matrix: Matrix, tasks: Sequence[Tensor]) -> Tensor:
        """Return the matrices' sum with equal singular values."""
        from remerge.merging.singular import thin_svd

        left, values, right = thin_svd(sum(tasks[1:], tasks[0]))
        return values.sum() / min(matrix.shape) * left @ right.T


merge_rule = merge_rule_of(EqualSingularValues, IsoC)
