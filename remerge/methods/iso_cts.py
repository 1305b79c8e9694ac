"""Iso-CTS: Iso-C with room for every task's own directions (arXiv:2502.04959).

As the authors' code does it (danielm1405/iso-merging): the common space's share is rounded so that the tasks share the
rest equally, and it is projected out of a task's matrix from the left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from remerge.merging.matrices import MatrixRule
from remerge.methods.matrix_methods import MatrixMethod, merge_rule_of
from remerge.methods.parameters import Scaling, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from remerge.merging.rules import Matrix


@dataclass(frozen=True, kw_only=True)
class IsoCts(MatrixMethod):
    """Equal singular values for directions that the tasks share and directions of their own (arXiv:2502.04959)."""

    algorithm: Literal["iso_cts"]
    common: float = parameter(0.8, ge=0, le=1, description="Share of the rank that the tasks' sum decides; 1 is Iso-C.")
    scaling: Scaling = parameter(
        1.5,
        description="The merging coefficient alpha. The authors' best for eight tasks: 1.5 for ViT-B/32, "
        "1.6 for ViT-B/16, 1.9 for ViT-L/14.",
    )


class CommonAndTaskSpecific(MatrixRule):
    """Directions of the sum and of every task's rest, made orthogonal, with equal singular values."""

    def __init__(self, common: float, **shared: Any) -> None:
        super().__init__(**shared)
        self.common = common

    def merge_matrix(self, matrix: Matrix, tasks: Sequence[Tensor]) -> Tensor:
        """Return the merged matrix."""
        from remerge.merging.singular import rounding, side_by_side, thin_svd, with_orthonormal

        rank = min(matrix.shape)
        own = round((rank - int(self.common * rank)) / len(tasks))
        common = thin_svd(sum(tasks[1:], tasks[0]), rank - own * len(tasks))
        rests = (task - common[0] @ (common[0].T @ task.double()) for task in tasks)
        specific = [
            thin_svd(rest.to(task.dtype), own, zero=rounding(task)) for task, rest in zip(tasks, rests, strict=True)
        ]
        left, values, right = side_by_side([common, *specific])
        return with_orthonormal(left, values.sum().expand(len(values)) / rank, right)


merge_rule = merge_rule_of(CommonAndTaskSpecific, IsoCts)
