"""Exact order statistics of task vectors, without sorting or copying them: the quantiles of all methods that mask."""

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from remerge.checkpoints.weights import Weights
from remerge.errors import ParameterError
from remerge.merging.rules import Scope
from remerge.merging.streaming import TILE, Computed, dtype_of, entries_of, is_moved, numel_of

# Size of the sample used to guess the threshold.
SAMPLE = 2**18
# Distance of the bounds from the guess, in standard deviations of a sample's rank.
SPREAD = 6.0
# Most entries to hold for the selection; if there are more between the bounds, digits are counted instead.
CANDIDATES = 2**25
# Bits of the magnitude that one pass determines when digits are counted.
DIGIT = 16

Magnitudes = npt.NDArray[np.floating[Any]]


def kth_largest_magnitude(vector: Weights, keys: Sequence[str], k: int) -> Tensor:
    """Return the ``k``-th largest magnitude among all entries of some tensors.

    A sample gives two bounds between which it lies, except with a chance of one in a billion. One pass counts the
    entries above the bounds and keeps the few in between, from which the exact magnitude is selected. If the bounds are
    wrong or there are too many entries in between, further passes count digits, which takes constant memory.

    Args:
        vector: A task vector.
        keys: Names of the tensors.
        k: Rank, from 1 for the largest; entries that lie beyond the last are taken for zeros.

    Returns:
        A 0-d tensor, in the widest of the tensors' dtypes.
    """
    if k > sum(numel_of(vector, key) for key in keys):
        return torch.tensor(0.0)
    low, high = _bracket(vector, keys, k)
    magnitude = _between(vector, keys, k, low, high)
    if magnitude is None:
        magnitude = _by_digits(vector, keys, k)
    return torch.from_numpy(np.asarray(magnitude))


def kth_largest(vector: Weights, keys: Sequence[str], k: int, zeros: int = 0) -> Tensor:
    """Return the ``k``-th largest among all entries of some tensors and a number of zeros beside them.

    Args:
        vector: A task vector.
        keys: Names of the tensors.
        k: Rank, from 1 for the largest to the number of entries and zeros.
        zeros: Number of entries that are zero and not in the task vector.

    Returns:
        A 0-d tensor.
    """
    found = kth_largest_magnitude(_clamped(vector, 1.0), keys, k)
    if found > 0:
        return found
    from_smallest = sum(numel_of(vector, key) for key in keys) + zeros - k + 1
    return -kth_largest_magnitude(_clamped(vector, -1.0), keys, from_smallest)


def _clamped(vector: Weights, sign: float) -> Weights:
    """A task vector's entries of one sign times that sign, with zeros in place of the others."""

    def entries(key: str) -> Callable[[int, int], Tensor]:
        given = entries_of(vector, key)
        return lambda begin, end: (sign * given(begin, end)).clamp_(min=0)

    return Computed(vector, entries)


def magnitudes_by_row(vector: Weights, key: str, columns: int, ranks: Sequence[int]) -> Tensor:
    """Return the magnitudes of some ranks in every row of a tensor.

    Args:
        vector: A task vector.
        key: The tensor's name.
        columns: Entries of a row.
        ranks: From 1 for a row's largest magnitude to ``columns``.

    Returns:
        ``[ranks, rows]``, in the tensor's dtype.
    """
    entries, numel = entries_of(vector, key), numel_of(vector, key)
    size = max(1, TILE // columns) * columns
    places, found = [columns - rank for rank in ranks], []
    for begin in range(0, numel, size):
        rows = np.abs(entries(begin, min(begin + size, numel)).numpy()).reshape(-1, columns)
        found.append(np.partition(rows, places, axis=1)[:, places])
    return torch.from_numpy(np.concatenate(found).T)


def groups_of(task_vectors: Sequence[Weights], scope: Scope) -> list[list[str]]:
    """Return the names of the tensors whose entries are ranked together.

    See :func:`remerge.merging.ties.trim_thresholds`.

    Raises:
        ParameterError: The scope is unknown.
    """
    keys = list(task_vectors[0])
    if scope == "vector":
        return [keys]
    if scope == "trained":
        return [[key for key in keys if any(is_moved(vector, key) for vector in task_vectors)]]
    if scope == "tensor":
        return [[key] for key in keys]
    raise ParameterError(f"scope must be 'vector', 'trained' or 'tensor', got {scope!r}")


def _magnitudes(vector: Weights, keys: Sequence[str], step: int = 1) -> Iterator[Magnitudes]:
    """Magnitudes, or every ``step``-th of them, a tile at a time; a tile is overwritten by the next."""
    # In one dtype: a float64 bound must not be rounded before float32 entries are compared with it.
    memory = np.empty(TILE, _widest(vector, keys))
    for key in keys:
        entries, numel = entries_of(vector, key), numel_of(vector, key)
        for begin in range(0, numel, TILE):
            tile = entries(begin, min(begin + TILE, numel)).numpy()[::step]
            yield np.abs(tile, out=memory[: len(tile)])


def _widest(vector: Weights, keys: Sequence[str]) -> type[np.floating[Any]]:
    dtypes = [dtype_of(vector, key) for key in keys]
    return np.float64 if reduce(torch.promote_types, dtypes) == torch.float64 else np.float32


def _bracket(vector: Weights, keys: Sequence[str], k: int) -> tuple[Any, Any]:
    """Two magnitudes between which the ``k``-th largest almost certainly lies."""
    numel = sum(numel_of(vector, key) for key in keys)
    # An odd step is not aligned with rows and heads.
    step = max(1, numel // SAMPLE) | 1
    sample = np.sort(np.concatenate([tile.copy() for tile in _magnitudes(vector, keys, step)]))[::-1]
    share, size = k / numel, len(sample)
    spread = SPREAD * max(1.0, (size * share * (1 - share)) ** 0.5)
    first, last = int(share * size - spread), int(share * size + spread) + 1
    return sample[min(last, size - 1)], sample[max(first, 0)]


def _between(vector: Weights, keys: Sequence[str], k: int, low: Any, high: Any) -> Any:
    """The ``k``-th largest magnitude if it lies in [``low``, ``high``]; None if not, or if too many entries do."""
    above = at_least_high = at_least_low = held = 0
    inside = []
    for tile in _magnitudes(vector, keys):
        from_high, from_low = tile >= high, tile >= low
        above += int(np.count_nonzero(tile > high))
        at_least_high += int(np.count_nonzero(from_high))
        at_least_low += int(np.count_nonzero(from_low))
        between = tile[np.flatnonzero(from_low ^ from_high)]
        inside.append(between[between > low])
        held += len(inside[-1])
        if held > CANDIDATES:
            return None
    if above < k <= at_least_high:
        return high
    rank = k - at_least_high
    if 0 < rank <= held:
        return np.partition(np.concatenate(inside), held - rank)[held - rank]
    if 0 < rank <= at_least_low - at_least_high:
        return low
    return None


def _by_digits(vector: Weights, keys: Sequence[str], k: int) -> Any:
    """The ``k``-th largest magnitude, determined digit by digit from the highest, with one pass per digit."""
    # Magnitudes have the same order as their bits read as integers.
    kind = _widest(vector, keys)
    unsigned, width = (np.uint64, 64) if kind == np.float64 else (np.uint32, 32)
    bits = 0
    for shift in range(width - DIGIT, -1, -DIGIT):
        counts = np.zeros(2**DIGIT, np.int64)
        for tile in _magnitudes(vector, keys):
            leading = np.right_shift(tile.view(unsigned), shift)
            candidates = leading[np.right_shift(leading, DIGIT) == bits]
            counts += np.bincount((candidates & (2**DIGIT - 1)).astype(np.int64), minlength=2**DIGIT)
        # Number of entries with this digit or a larger one.
        at_least = counts[::-1].cumsum()[::-1]
        digit = int(np.flatnonzero(at_least >= k)[-1])
        k -= int(at_least[digit] - counts[digit])
        bits = bits << DIGIT | digit
    return np.array(bits, unsigned).view(kind)
