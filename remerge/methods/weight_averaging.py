"""Weight averaging: the mean of the fine-tuned models (Model soups, arXiv:2203.05482)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.merging.rules import MergeRule, Place
from remerge.methods.parameters import Method

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from remerge.checkpoints.weights import Weights


@dataclass(frozen=True, kw_only=True)
class WeightAveraging(Method):
    """The mean of the fine-tuned encoders."""

    algorithm: Literal["weight_averaging"]


class Mean(MergeRule):
    """The mean over tasks; added with scaling 1 it gives the mean of the fine-tuned models."""

    def __call__(self, place: Place, entries: Sequence[Tensor]) -> Tensor:
        """Return the entries' mean."""
        total = entries[0].clone()
        for other in entries[1:]:
            total += other
        return total.div_(len(entries))


def merge_rule(task_vectors: Sequence[Weights]) -> MergeRule:
    """Return the method as a merge rule."""
    return Mean()
