"""Task Arithmetic: the sum of the task vectors (arXiv:2212.04089, section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.merging.rules import MergeRule, Place
from remerge.methods.parameters import Method, Scaling, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from remerge.checkpoints.weights import Weights


@dataclass(frozen=True, kw_only=True)
class TaskArithmetic(Method):
    """The pre-trained weights plus the scaled sum of the task vectors (arXiv:2212.04089)."""

    algorithm: Literal["task_arithmetic"]
    scaling: Scaling = parameter(0.3, description="The merging coefficient lambda.")


class Sum(MergeRule):
    """The sum over tasks."""

    def __call__(self, place: Place, entries: Sequence[Tensor]) -> Tensor:
        """Return the entries' sum."""
        total = entries[0].clone()
        for other in entries[1:]:
            total += other
        return total


def merge_rule(task_vectors: Sequence[Weights]) -> MergeRule:
    """Return the method as a merge rule."""
    return Sum()
