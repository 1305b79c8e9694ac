"""The k-th largest magnitude of a task vector: exact, without sorting it and without a copy of it."""

from collections.abc import Iterator, Sequence
from functools import reduce

import torch
from torch import Tensor

from remerge.merging.streaming import places, tile_of
from remerge.weights import Weights

# Entries looked at to guess where the threshold lies.
SAMPLE = 2**18
# How far around the guess, in standard deviations of a sample's rank.
SPREAD = 6.0


def kth_largest_magnitude(vector: Weights, keys: Sequence[str], k: int) -> Tensor:
    """Return the ``k``-th largest magnitude among all entries of some tensors.

    A sample tells between which two magnitudes it must lie, but for a chance in a billion; one pass counts the
    entries above and keeps the few between, among which the exact one is selected. If the sample misled, a second
    pass looks at everything.

    Args:
        vector: A task vector.
        keys: Names of the tensors.
        k: From 1, for the largest, to the number of entries.

    Returns:
        0-d, in the widest of the tensors' dtypes.
    """
    numel = sum(vector[key].numel() for key in keys)
    low, high = _bracket(vector, keys, k, numel)
    found = _between(vector, keys, k, low, high)
    return found if found is not None else _among_all(vector, keys, k)


def _magnitudes(vector: Weights, keys: Sequence[str]) -> Iterator[Tensor]:
    # In one dtype: torch would round a float64 bound to float32 before comparing float32 entries with it.
    dtype = reduce(torch.promote_types, (vector[key].dtype for key in keys))
    for place in places(vector, keys):
        yield tile_of(vector, place.key, place.begin, place.end).abs().to(dtype)


def _bracket(vector: Weights, keys: Sequence[str], k: int, numel: int) -> tuple[Tensor, Tensor]:
    """Two magnitudes between which the ``k``-th largest lies in all likelihood."""
    step = max(1, numel // SAMPLE)
    # Strides that share no rhythm with rows and heads.
    sample = torch.cat([tile[:: step | 1] for tile in _magnitudes(vector, keys)]).sort(descending=True).values
    share, size = k / numel, len(sample)
    spread = SPREAD * max(1.0, (size * share * (1 - share)) ** 0.5)
    first, last = int(share * size - spread), int(share * size + spread) + 1
    return sample[min(last, size - 1)], sample[max(first, 0)]


def _between(vector: Weights, keys: Sequence[str], k: int, low: Tensor, high: Tensor) -> Tensor | None:
    """The ``k``-th largest magnitude if it is ``low``, ``high`` or between; None if it is not."""
    above = equal = lowest = 0
    inside = []
    for tile in _magnitudes(vector, keys):
        above += int((tile > high).sum())
        equal += int((tile == high).sum())
        if low < high:
            candidates = tile[tile >= low]
            candidates = candidates[candidates < high]
            lowest += int((candidates == low).sum())
            inside.append(candidates[candidates > low])
    if above < k <= above + equal:
        return high
    rank = k - above - equal
    between = torch.cat(inside) if inside else torch.empty(0)
    if 0 < rank <= len(between):
        return between.kthvalue(len(between) - rank + 1).values
    return low if 0 < rank <= len(between) + lowest else None


def _among_all(vector: Weights, keys: Sequence[str], k: int) -> Tensor:
    everything = torch.cat(list(_magnitudes(vector, keys)))
    return everything.kthvalue(len(everything) - k + 1).values
