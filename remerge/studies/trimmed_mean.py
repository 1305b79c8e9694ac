"""The mean of trimmed task vectors, without electing signs."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from remerge.merging.rules import MergeRule, Place


class TrimmedMean(MergeRule):
    """The mean over tasks of the entries that survive trimming, whatever their signs.

    Args:
        thresholds: Of each task vector, as :func:`remerge.merging.ties.trim_thresholds` returns them.
    """

    def __init__(self, thresholds: Sequence[Mapping[str, Tensor]]) -> None:
        self.thresholds = thresholds

    def __call__(self, place: Place, entries: Sequence[Tensor]) -> Tensor:
        """Return the mean over the tasks whose entry survived."""
        total, count = torch.zeros_like(entries[0]), torch.zeros_like(entries[0])
        for vector, thresholds in zip(entries, self.thresholds, strict=True):
            kept = (vector.abs() >= thresholds[place.key]) & (vector != 0)
            total += vector * kept
            count += kept
        return total / count.clamp_(min=1)
