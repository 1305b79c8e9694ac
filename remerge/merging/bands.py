"""Masks that keep entries whose magnitudes lie in a band: Model Breadcrumbs (arXiv:2312.06795, section 3)."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from remerge.checkpoints.weights import Weights
from remerge.merging.rules import MergeRule, Place
from remerge.merging.selection import kth_largest_magnitude, magnitudes_by_row
from remerge.merging.streaming import numel_of, one_thread_each, shape_of, spoil


@dataclass(frozen=True)
class Band:
    """The magnitudes that are kept of every row of a tensor.

    Attributes:
        columns: Entries of a row.
        low: The smallest that is kept, ``[rows]``.
        high: The largest that is kept, ``[rows]``.
    """

    columns: int
    low: Tensor
    high: Tensor

    def outside(self, place: Place, magnitudes: Tensor) -> Tensor:
        """Return which magnitudes of a place, ``[n]``, are not kept."""
        if len(self.low) == 1:
            low, high = self.low, self.high
        else:
            rows = torch.arange(place.begin, place.end).div_(self.columns, rounding_mode="floor")
            low, high = self.low[rows], self.high[rows]
        return (magnitudes < low) | (magnitudes > high)


class BandRule(MergeRule):
    """The sum of the entries in every task's bands."""

    def __init__(self, bands: Sequence[Mapping[str, Band]]) -> None:
        self.bands = bands

    def __call__(self, place: Place, entries: Sequence[Tensor]) -> Tensor:
        """Return a tile's sum of kept entries."""
        total = torch.zeros_like(entries[0])
        for bands, task in zip(self.bands, entries, strict=True):
            total += task.masked_fill(bands[place.key].outside(place, task.abs()), 0.0)
        return spoil(total, entries)


def bands(vector: Weights, keep: float, drop: float, by_row: bool) -> dict[str, Band]:
    """Return the magnitudes that are kept of every tensor with entries.

    Args:
        vector: A task vector.
        keep: Share of entries that are kept, rounded down, after the largest are dropped.
        drop: Share of the largest entries that are dropped, rounded down.
        by_row: Whether they are shares of rows, along the last dimension, or of whole tensors. A single number is kept.
    """

    def band(key: str) -> Band:
        shape, numel = shape_of(vector, key), numel_of(vector, key)
        columns = shape[-1] if by_row and shape else numel
        above, kept = (math.floor(Fraction(str(share)) * columns) for share in (drop, keep))
        if not shape:
            return Band(1, torch.zeros(1), torch.full((1,), math.inf))
        if not kept:
            return Band(numel, torch.full((1,), math.inf), torch.zeros(1))
        ranks = [above + 1, min(above + kept, columns)]
        if columns < numel:
            high, low = magnitudes_by_row(vector, key, columns, ranks)
        else:
            high, low = (kth_largest_magnitude(vector, [key], rank).reshape(1) for rank in ranks)
        return Band(columns, low, high)

    with one_thread_each() as threads, ThreadPoolExecutor(threads) as pool:
        keys = [key for key in vector if numel_of(vector, key)]
        return dict(zip(keys, pool.map(band, keys), strict=True))
