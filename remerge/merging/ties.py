"""TIES-Merging: trim, elect sign, disjoint merge (arXiv:2306.01708, section 4 and algorithm 1).

The authors' script trims at the (d - k)-th smallest magnitude and so keeps one entry more than the top k. Here, the
k largest entries are kept, and any that tie with the smallest of them.
"""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from threading import Lock, local

import numpy as np
import torch
from torch import Tensor

from remerge.checkpoints.weights import Weights
from remerge.errors import ParameterError
from remerge.merging.memory import empty_like, empty_on_disk
from remerge.merging.rules import Merge, MergeRule, Place, Scope
from remerge.merging.selection import groups_of, kth_largest_magnitude
from remerge.merging.streaming import for_each_tile, numel_of, one_thread_each


class TiesRule(MergeRule):
    """Trim, elect sign, disjoint merge, tile by tile."""

    def __init__(self, thresholds: Sequence[Mapping[str, Tensor]], merge: Merge) -> None:
        self.thresholds = thresholds
        self.merge = merge
        self._lock = Lock()
        self._thread = local()
        self._votes = 0
        self._balanced: list[Place] = []
        # Entries whose trimmed values cancel exactly elect no sign; the authors give them the majority sign of
        # all entries, which is known only after the last tile.
        self._prevailing = 0
        self._voting = True

    def __call__(self, place: Place, entries: Sequence[Tensor]) -> Tensor:
        """Return the disjoint merge of a tile."""
        trimmed, scratch = self._trim(place, entries)
        positive, above = self._elect(place, trimmed, torch.clamp(trimmed, min=0, out=scratch))
        below = self._joined(trimmed.clamp_(max=0))
        # Adding zero makes negative zeros positive.
        return torch.where(positive, above, below, out=above).add_(0.0)

    def outvote(self, place: Place, entries: Sequence[Tensor]) -> Tensor:
        """Return a tile's trimmed entries, ``[tasks, n]``, with zeros where they disagree with the elected sign."""
        trimmed, scratch = self._trim(place, entries)
        positive, _ = self._elect(place, trimmed, torch.clamp(trimmed, min=0, out=scratch))
        return torch.where(positive, scratch, trimmed.clamp_(max=0)).add_(0.0)

    def repeat(self) -> Sequence[Place]:
        """Return the tiles with entries that elected no sign, now that the majority sign is known."""
        self._prevailing, self._voting = self._votes, False
        return self._balanced

    def _trim(self, place: Place, entries: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return a tile's trimmed entries, ``[tasks, n]``, and a buffer of that size; the next call overwrites both."""
        shape, dtype = (2, len(entries), place.end - place.begin), entries[0].dtype
        # Allocating memory for every tile would cost more than the computation.
        memory = getattr(self._thread, "memory", torch.empty(0))
        if memory.dtype != dtype or memory.numel() < math.prod(shape):
            memory = self._thread.memory = torch.empty(math.prod(shape), dtype=dtype)
        trimmed, scratch = memory[: math.prod(shape)].view(shape)
        for row, vector, threshold in zip(trimmed, entries, self.thresholds, strict=True):
            # Keeps entries whose magnitude is above the bound, in a single pass.
            torch.ops.aten.hardshrink.out(vector, _just_below(float(threshold[place.key]), dtype), out=row)
        return trimmed, scratch

    def _elect(self, place: Place, trimmed: Tensor, above: Tensor) -> tuple[Tensor, Tensor]:
        """Return where a tile's elected sign is positive, and its positive entries merged."""
        joined = self._joined(above)
        total = trimmed.sum(dim=0)
        positive, undecided = total > 0, total == 0
        if self._voting:
            ups, even = int(positive.count_nonzero()), int(undecided.count_nonzero())
            cancels = bool((undecided & (joined > 0)).any())
            with self._lock:
                self._votes += ups - (len(total) - ups - even)
                if cancels:
                    self._balanced.append(place)
        # If even the majority is balanced, the authors' test `sign > 0` picks the negative sign.
        return positive | undecided if self._prevailing > 0 else positive, joined

    def _joined(self, agreeing: Tensor) -> Tensor:
        """Merge entries of one sign, ``[tasks, n]``; the other entries are zero."""
        if self.merge == "max":
            return agreeing.sum(dim=0).sign_().mul_(agreeing.abs().amax(dim=0))
        total = agreeing.sum(dim=0)
        return total if self.merge == "sum" else total.div_((agreeing != 0).sum(dim=0).clamp_(min=1))


def _just_below(threshold: float, dtype: torch.dtype) -> float:
    """Return the largest number of a dtype below a threshold."""
    kind = np.float64 if dtype == torch.float64 else np.float32
    nearest = kind(threshold)
    return float(nearest if float(nearest) < threshold else np.nextafter(nearest, kind(-np.inf)))


def trimmed_and_elected(
    task_vectors: Sequence[Weights],
    keep: float = 0.2,
    scope: Scope = "vector",
    frozen_entries: int = 0,
    folder: str | Path | None = None,
) -> list[dict[str, Tensor]]:
    """Return each task vector with trimmed and outvoted entries set to zero; their sum is TIES's disjoint sum.

    These are the task vectors that AdaMerging++ learns coefficients for (arXiv:2310.02575, section 3.2).

    Args:
        task_vectors: One per task, with the same keys and shapes.
        keep: See :func:`trim_thresholds`.
        scope: See :func:`trim_thresholds`.
        frozen_entries: See :func:`trim_thresholds`.
        folder: Keep the result in unnamed, memory-mapped files in this folder instead of in memory.
    """
    ties = TiesRule(trim_thresholds(task_vectors, keep, scope, frozen_entries), "sum")
    kept = [empty_like(vector) if folder is None else empty_on_disk(vector, folder) for vector in task_vectors]

    def elect(place: Place, entries: Sequence[Tensor]) -> None:
        for vector, agreeing in zip(kept, ties.outvote(place, entries), strict=True):
            vector[place.key].view(-1)[place.begin : place.end] = agreeing

    for_each_tile(elect, task_vectors)
    for_each_tile(elect, task_vectors, ties.repeat())
    return kept


def trim_thresholds(
    task_vectors: Sequence[Weights], keep: float, scope: Scope = "vector", frozen_entries: int = 0
) -> list[dict[str, Tensor]]:
    """Return the smallest magnitude that survives trimming, per task and tensor.

    Args:
        task_vectors: One per task.
        keep: Share of entries kept, in (0, 1]; at least one entry is kept, and all that tie with the last.
        scope: ``vector``: one threshold over the whole flattened task vector, as in the authors' code, so that tensors
            that fine-tuning never changed count towards its length; ``trained``: the same without tensors that no task
            changed (as if an encoder were merged without its frozen text side); ``tensor``: one threshold per tensor.
        frozen_entries: Number of zero entries that count towards a task vector's length although they are not in it:
            other parameters that the checkpoints' authors flatten along with the encoder. Only for scope ``vector``.

    Returns:
        A 0-d threshold per task and key; entries with ``abs(entry) >= threshold`` are kept.
    """
    if isinstance(keep, bool) or not isinstance(keep, int | float) or not 0 < keep <= 1:
        raise ParameterError(f"keep must be a share in (0, 1], got {keep!r}")
    groups = groups_of(task_vectors, scope)
    zeros = frozen_entries if scope == "vector" else 0

    def thresholds_of(vector: Weights) -> dict[str, Tensor]:
        # A tensor that did not change has nothing to trim.
        smallest = dict.fromkeys(vector, torch.tensor(0.0))
        for keys in groups:
            smallest |= dict.fromkeys(keys, _smallest_kept(vector, keys, keep, zeros))
        return smallest

    with one_thread_each() as threads, ThreadPoolExecutor(threads) as pool:
        return list(pool.map(thresholds_of, task_vectors))


def _smallest_kept(vector: Weights, keys: Sequence[str], keep: float, frozen_entries: int) -> Tensor:
    """The smallest magnitude among the top ``keep`` of the entries and ``frozen_entries`` zeros; 0 of none."""
    size = sum(numel_of(vector, key) for key in keys)
    # 0.29 * 100 is 28.999... in binary; the decimal number as written gives 29.
    kept = max(1, math.floor(Fraction(str(keep)) * (size + frozen_entries)))
    return kth_largest_magnitude(vector, keys, kept)
