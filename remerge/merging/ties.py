"""TIES-Merging: trim, elect sign, disjoint merge (arXiv:2306.01708, section 4 and algorithm 1).

The authors' script trims at the (d - k)-th smallest magnitude and so keeps one entry more than the top k; here
the k largest are kept, and every entry as large as the smallest of them.
"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Literal

import torch
from torch import Tensor

from remerge.errors import ParameterError
from remerge.merging.selection import kth_largest_magnitude
from remerge.merging.streaming import Place, Rule, places, stacked
from remerge.weights import Weights

Scope = Literal["vector", "trained", "tensor"]
Merge = Literal["sum", "mean", "max"]


class Ties(Rule):
    """Trim, elect sign, disjoint merge, tile by tile."""

    def __init__(self, thresholds: Sequence[Mapping[str, Tensor]], merge: Merge) -> None:
        self.thresholds = thresholds
        self.merge = merge
        self._votes = 0
        self._balanced: list[Place] = []
        # Entries whose trimmed values cancel exactly elect no sign; the authors give them the one that prevails over
        # all entries, which is known only after the last tile.
        self._prevailing: int | None = None

    def __call__(self, place: Place, tile: Tensor) -> Tensor:
        """Return the disjoint merge of a tile."""
        sign = self.elect(place, tile)
        # On the elected side everything is positive now; the other side is cut off.
        tile.mul_(sign).clamp_(min=0)
        if self.merge == "max":
            merged = tile.amax(dim=0)
        else:
            merged = tile.sum(dim=0)
            if self.merge == "mean":
                merged /= (tile > 0).sum(dim=0).clamp_(min=1)
        # Adding zero makes negative zeros positive.
        return merged.mul_(sign).add_(0.0)

    def elect(self, place: Place, tile: Tensor) -> Tensor:
        """Trim a tile in place and return the elected sign of its entries: 1 or -1."""
        threshold = torch.stack([own[place.key] for own in self.thresholds]).unsqueeze(1)
        # Left alone, torch would round a float64 threshold to float32 before comparing float32 entries.
        tile.masked_fill_(tile.abs().to(threshold.dtype) < threshold, 0)
        sign = tile.sum(dim=0).sign_()
        undecided = sign == 0
        if self._prevailing is None:
            # float32 cannot count beyond 2**24 entries.
            self._votes += int(sign.sum(dtype=torch.float64))
            if tile[:, undecided].any():
                self._balanced.append(place)
        # Where even the majority is balanced the authors' test `sign > 0` picks the negative side.
        return sign.masked_fill_(undecided, 1.0 if (self._prevailing or 0) > 0 else -1.0)

    def outvote(self, place: Place, tile: Tensor) -> Tensor:
        """Set trimmed entries and those that disagree with the elected sign to zero, in place."""
        sign = self.elect(place, tile)
        return tile.mul_(sign).clamp_(min=0).mul_(sign).add_(0.0)

    def repeat(self) -> Sequence[Place]:
        """Return the tiles with entries that elected no sign, now that the prevailing one is known."""
        self._prevailing = self._votes
        return self._balanced


def rule(
    task_vectors: Sequence[Weights],
    keep: float = 0.2,
    merge: Merge = "sum",
    scope: Scope = "vector",
    frozen: int = 0,
) -> Rule:
    """Return the method as a rule.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        keep: Share of entries that survive trimming, in (0, 1]; the paper's top-k % is 0.2.
        merge: Disjoint merge by ``sum`` (as AdaMerging's comparisons), ``mean`` over the entries that agree
            (the paper's), or the ``max`` magnitude.
        scope: What ``keep`` is a share of: see :func:`trim_thresholds`.
        frozen: See :func:`trim_thresholds`.

    Raises:
        ParameterError: ``keep``, ``merge`` or ``scope`` is out of range.
    """
    if merge not in ("sum", "mean", "max"):
        raise ParameterError(f"merge must be 'sum', 'mean' or 'max', got {merge!r}")
    return Ties(trim_thresholds(task_vectors, keep, scope, frozen), merge)


@torch.no_grad()
def trimmed_and_elected(
    task_vectors: Sequence[Weights], keep: float = 0.2, scope: Scope = "vector", frozen: int = 0
) -> list[dict[str, Tensor]]:
    """Return each task vector with trimmed and outvoted entries set to zero; their sum is TIES's disjoint sum.

    These are the task vectors that AdaMerging++ learns coefficients for (arXiv:2310.02575, section 3.2).
    """
    ties = Ties(trim_thresholds(task_vectors, keep, scope, frozen), "sum")
    kept = [
        {key: torch.empty(tensor.shape, dtype=tensor.dtype) for key, tensor in vector.items()}
        for vector in task_vectors
    ]

    def elect(place: Place) -> None:
        for vector, entries in zip(kept, ties.outvote(place, stacked(task_vectors, place)), strict=True):
            vector[place.key].view(-1)[place.begin : place.end] = entries

    for place in places(task_vectors[0]):
        elect(place)
    for place in ties.repeat():
        elect(place)
    return kept


def trim_thresholds(
    task_vectors: Sequence[Weights], keep: float, scope: Scope = "vector", frozen: int = 0
) -> list[dict[str, Tensor]]:
    """Find the magnitude from which entries survive trimming, per task and tensor.

    Args:
        task_vectors: One per task.
        keep: Share of entries kept, in (0, 1]; at least one entry is kept, and all that tie with the last.
        scope: ``vector``: one threshold over the whole flattened task vector, as the authors do, so that
            tensors that fine-tuning never moved count towards its length; ``trained``: the same without
            tensors in which no task moved (an encoder merged without its frozen text side); ``tensor``: one
            threshold per tensor.
        frozen: Entries that count towards a task vector's length although they are not in it, all zero: parameters
            beside the encoder that the checkpoints' authors flatten along with it. Only for scope ``vector``.

    Returns:
        A 0-d threshold per task and key; entries with ``abs(entry) >= threshold`` are kept.
    """
    if isinstance(keep, bool) or not isinstance(keep, int | float) or not 0 < keep <= 1:
        raise ParameterError(f"keep must be a share in (0, 1], got {keep!r}")
    keys = list(task_vectors[0])
    if scope == "trained":
        keys = [key for key in keys if any(bool(vector[key].any()) for vector in task_vectors)]
    elif scope not in ("vector", "tensor"):
        raise ParameterError(f"scope must be 'vector', 'trained' or 'tensor', got {scope!r}")
    thresholds = []
    for vector in task_vectors:
        if scope == "tensor":
            own = {key: _smallest_kept(vector, [key], keep) for key in keys}
        else:
            own = dict.fromkeys(keys, _smallest_kept(vector, keys, keep, frozen if scope == "vector" else 0))
        # A tensor in which nothing moved has nothing to trim.
        thresholds.append({key: own.get(key, torch.tensor(0.0)) for key in vector})
    return thresholds


def _smallest_kept(vector: Weights, keys: Sequence[str], keep: float, frozen: int = 0) -> Tensor:
    """The smallest magnitude among the top ``keep`` of the entries and ``frozen`` zeros; 0 of none."""
    size = sum(vector[key].numel() for key in keys)
    # 0.29 * 100 is 28.999... in binary; the decimal number that was written gives 29.
    kept = max(1, math.floor(Fraction(str(keep)) * (size + frozen)))
    if size == 0 or kept > size:
        return torch.tensor(0.0)
    return kth_largest_magnitude(vector, keys, kept)
