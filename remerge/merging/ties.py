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
from remerge.weights import Weights

Scope = Literal["vector", "trained", "tensor"]
Merge = Literal["sum", "mean", "max"]


def merged_task_vector(
    task_vectors: Sequence[Weights],
    keep: float = 0.2,
    merge: Merge = "sum",
    scope: Scope = "vector",
    frozen: int = 0,
) -> dict[str, Tensor]:
    """Trim each task vector, elect a sign per entry, and merge the entries that agree with it.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        keep: Share of entries that survive trimming, in (0, 1]; the paper's top-k % is 0.2.
        merge: Disjoint merge by ``sum`` (as AdaMerging's comparisons), ``mean`` over the entries that agree
            (the paper's), or the ``max`` magnitude.
        scope: What ``keep`` is a share of: see :func:`trim_thresholds`.
        frozen: See :func:`trim_thresholds`.

    Returns:
        The merged task vector, unscaled.

    Raises:
        ParameterError: ``keep``, ``merge`` or ``scope`` is out of range.
    """
    if merge not in ("sum", "mean", "max"):
        raise ParameterError(f"merge must be 'sum', 'mean' or 'max', got {merge!r}")
    thresholds = trim_thresholds(task_vectors, keep, scope, frozen)
    default = majority_sign(task_vectors, thresholds)
    return {key: _disjoint_merge(_agreeing(task_vectors, thresholds, key, default), merge) for key in task_vectors[0]}


def trimmed_and_elected(
    task_vectors: Sequence[Weights], keep: float = 0.2, scope: Scope = "vector", frozen: int = 0
) -> list[dict[str, Tensor]]:
    """Return each task vector with trimmed and outvoted entries set to zero; their sum is TIES's disjoint sum.

    These are the task vectors that AdaMerging++ learns coefficients for (arXiv:2310.02575, section 3.2).
    """
    thresholds = trim_thresholds(task_vectors, keep, scope, frozen)
    default = majority_sign(task_vectors, thresholds)
    kept: list[dict[str, Tensor]] = [{} for _ in task_vectors]
    for key in task_vectors[0]:
        for vector, entries in zip(kept, _agreeing(task_vectors, thresholds, key, default), strict=True):
            vector[key] = entries
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
            own = {key: _kth_largest_magnitude(vector[key].flatten(), keep) for key in keys}
        else:
            flat = torch.cat([vector[key].flatten() for key in keys]) if keys else torch.empty(0)
            own = dict.fromkeys(keys, _kth_largest_magnitude(flat, keep, frozen if scope == "vector" else 0))
        # A tensor in which nothing moved has nothing to trim.
        thresholds.append({key: own.get(key, torch.tensor(0.0)) for key in vector})
    return thresholds


def _kth_largest_magnitude(entries: Tensor, keep: float, frozen: int = 0) -> Tensor:
    """The smallest magnitude among the top ``keep`` of the entries and ``frozen`` zeros; 0 of none."""
    size = entries.numel()
    if size == 0:
        return entries.new_zeros(())
    # 0.29 * 100 is 28.999... in binary; the decimal number that was written gives 29.
    kept = max(1, math.floor(Fraction(str(keep)) * (size + frozen)))
    if kept > size:
        return entries.new_zeros(())
    return entries.abs().kthvalue(size - kept + 1).values


def _trimmed(task_vectors: Sequence[Weights], thresholds: Sequence[Mapping[str, Tensor]], key: str) -> Tensor:
    """One tensor of all tasks, ``[tasks, ...]``, small entries set to zero."""
    rows = []
    for vector, threshold in zip(task_vectors, thresholds, strict=True):
        entries = vector[key]
        # Left alone, torch would round a 0-d float64 threshold to float32 before comparing float32 entries.
        magnitudes = entries.abs().to(threshold[key].dtype)
        rows.append(torch.where(magnitudes >= threshold[key], entries, 0))
    return torch.stack(rows)


def majority_sign(task_vectors: Sequence[Weights], thresholds: Sequence[Mapping[str, Tensor]]) -> int:
    """Return the sign that prevails over all entries' elected signs: 1, -1, or 0 when they balance.

    Entries whose trimmed values cancel exactly elect no sign; the authors give them this one.
    """
    total = 0
    for key in task_vectors[0]:
        signs = _trimmed(task_vectors, thresholds, key).sum(dim=0).sign()
        # float32 cannot count beyond 2**24 entries.
        total += int(signs.sum(dtype=torch.float64))
    return (total > 0) - (total < 0)


def _agreeing(
    task_vectors: Sequence[Weights], thresholds: Sequence[Mapping[str, Tensor]], key: str, default: int
) -> Tensor:
    """One tensor of all tasks, ``[tasks, ...]``, with trimmed and outvoted entries set to zero."""
    trimmed = _trimmed(task_vectors, thresholds, key)
    elected = trimmed.sum(dim=0).sign()
    elected = torch.where(elected == 0, default, elected)
    # Where even the majority is balanced the sign stays 0, and the authors' test `sign > 0` picks the negative side.
    agrees = torch.where(elected > 0, trimmed > 0, trimmed < 0)
    return torch.where(agrees, trimmed, 0)


def _disjoint_merge(agreeing: Tensor, merge: Merge) -> Tensor:
    if merge == "max":
        return agreeing.sum(dim=0).sign() * agreeing.abs().amax(dim=0)
    total = agreeing.sum(dim=0)
    return total if merge == "sum" else total / (agreeing != 0).sum(dim=0).clamp(min=1)
