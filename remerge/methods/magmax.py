"""MagMax: every entry from the task vector in which it is largest (arXiv:2407.06322, section 4).

Of equal magnitudes the later task's entry stands, as in the authors' code (danielm1405/magmax, ``merge_max_abs``).
"""

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
class MagMax(Method):
    """Every entry from the task vector in which it is largest (arXiv:2407.06322)."""

    algorithm: Literal["magmax"]
    scaling: Scaling = parameter(0.5, description="The merging coefficient lambda.")


class LargestEntries(MergeRule):
    """The entry of largest magnitude."""

    def __call__(self, place: Place, entries: Sequence[Tensor]) -> Tensor:
        """Return a tile's entries of largest magnitude."""
        import torch

        from remerge.merging.streaming import spoil

        largest = entries[0].clone()
        for other in entries[1:]:
            torch.where(other.abs() >= largest.abs(), other, largest, out=largest)
        return spoil(largest, entries)


def merge_rule(task_vectors: Sequence[Weights]) -> MergeRule:
    """Return the method as a merge rule."""
    return LargestEntries()
