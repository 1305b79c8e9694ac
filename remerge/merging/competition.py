"""PCB-Merging: entries weighted by how they compete within and between task vectors (arXiv:2410.02396, section 3).

With ``tau_t`` a task's entries and ``T`` tasks, all quantiles over a whole task vector::

    m_t = |tau_t| clamped to its quantiles q and 1 - q          n_t = m_t scaled to [0, 1]
    beta_t = exp(T n_t^2) * inter_t
    w_t = beta_t clamped from below to its quantile 1 - keep, scaled to [0, 1]
    merged = sum_t w_t sign(tau_t) m_t / sum_t w_t

=============== ====== ==================================================
script          q      inter_t
=============== ====== ==================================================
``pcb``         1 %    ``tanh(tau_t * sum_j sign(tau_j) n_j)``
``pcb-merging`` 0.01 % ``tanh(tau_t * sum_j tau_j)``
``pcb_ES``      1 %    ``sum_j tanh(sign(tau_t) n_t * sign(tau_j) n_j)``
=============== ====== ==================================================
"""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial, reduce

import torch
from torch import Tensor

from remerge.checkpoints.weights import Weights
from remerge.errors import ParameterError
from remerge.merging.reductions import over_tiles
from remerge.merging.rules import MergeRule, Place, Scope
from remerge.merging.selection import groups_of, kth_largest, kth_largest_magnitude
from remerge.merging.streaming import Computed, entries_of, numel_of, one_thread_each, spoil

QUANTILES = {"pcb": Fraction(1, 100), "pcb-merging": Fraction(1, 10000), "pcb_ES": Fraction(1, 100)}
"""By script, the share of entries that are clamped at either end."""

Rank = Callable[..., Tensor]
"""Finds the ``k``-th largest of some tensors of a vector, as those of :mod:`remerge.merging.selection` do."""


@dataclass(frozen=True)
class Competition:
    """How entries compete.

    Attributes:
        script: The authors' script whose definition is taken.
        low: By tensor, the smallest magnitude of every task after clamping, ``[tasks, 1]``.
        high: The largest.
    """

    script: str
    low: Mapping[str, Tensor]
    high: Mapping[str, Tensor]

    def clamped(self, key: str, entries: Tensor) -> Tensor:
        """Return entries ``[tasks, n]`` with clamped magnitudes."""
        return entries.sign() * entries.abs().clamp(self.low[key].to(entries), self.high[key].to(entries))

    def balance(self, key: str, entries: Tensor, tasks: slice = slice(None)) -> Tensor:
        """Return ``beta_t exp(-T)`` of some tasks, ``[those, n]``, given all tasks' entries ``[tasks, n]``.

        The factor has no effect on weights, and keeps the exponential from overflowing.
        """
        low, high = self.low[key].to(entries), self.high[key].to(entries)
        magnitudes = entries.abs().clamp(low, high) - low
        scaled = magnitudes.div_(torch.where(high > low, high - low, 1.0))
        signed = entries.sign() * scaled
        if self.script == "pcb":
            inter = torch.tanh(entries[tasks] * signed.sum(dim=0))
        elif self.script == "pcb-merging":
            inter = torch.tanh(entries[tasks] * entries.sum(dim=0))
        else:
            inter = torch.stack([torch.tanh(task * signed).sum(dim=0) for task in signed[tasks]])
        return torch.exp(len(entries) * (scaled[tasks].square() - 1)) * inter


class CompetitionRule(MergeRule):
    """The mean of the clamped entries, weighted by how they compete."""

    def __init__(self, competition: Competition, low: Mapping[str, Tensor], high: Mapping[str, Tensor]) -> None:
        """Make the rule.

        Args:
            competition: How entries compete.
            low: By tensor, the balance of every task below which it has no weight, ``[tasks, 1]``.
            high: The largest balance, which has weight 1.
        """
        self.competition = competition
        self.low = low
        self.high = high

    def __call__(self, place: Place, entries: Sequence[Tensor]) -> Tensor:
        """Return a tile's weighted mean."""
        stacked = torch.stack(list(entries))
        low, high = self.low[place.key].to(stacked), self.high[place.key].to(stacked)
        weights = (self.competition.balance(place.key, stacked).clamp_(low, high) - low).div_(
            torch.where(high > low, high - low, 1.0)
        )
        merged = (weights * self.competition.clamped(place.key, stacked)).sum(dim=0)
        return spoil(merged.div_(weights.sum(dim=0).clamp_(min=1e-12)), entries)


def competition_rule(
    task_vectors: Sequence[Weights], keep: float, script: str, scope: Scope, frozen_entries: int
) -> MergeRule:
    """Measure the quantiles, and return the rule.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        keep: Share of entries that have a weight, in (0, 1].
        script: A key of :data:`QUANTILES`.
        scope: What quantiles are over: see :func:`remerge.merging.ties.trim_thresholds`.
        frozen_entries: See :func:`remerge.merging.ties.trim_thresholds`.

    Raises:
        ParameterError: A parameter is out of range.
    """
    if script not in QUANTILES:
        raise ParameterError(f"script must be one of {', '.join(QUANTILES)}, got {script!r}")
    if isinstance(keep, bool) or not isinstance(keep, int | float) or not 0 < keep <= 1:
        raise ParameterError(f"keep must be a share in (0, 1], got {keep!r}")
    quantile, kept = QUANTILES[script], Fraction(str(keep))
    groups = groups_of(task_vectors, scope)
    zeros = frozen_entries if scope == "vector" else 0

    def ranked(vectors: Sequence[Weights], rank: Rank, index: Callable[[int], int]) -> dict[str, Tensor]:
        """The entries at an index of their ascending order, of every task ``[tasks, 1]``, by tensor."""
        # A tensor that did not change has nothing to weight.
        found = {key: torch.zeros(len(vectors), 1) for key in vectors[0]}
        with one_thread_each() as threads, ThreadPoolExecutor(threads) as pool:
            for keys in groups:
                numel = zeros + sum(numel_of(vectors[0], key) for key in keys)
                ranks = partial(rank, keys=keys, k=numel - index(numel))
                if numel:
                    found |= dict.fromkeys(keys, torch.stack(list(pool.map(ranks, vectors))).reshape(-1, 1))
        return found

    competition = Competition(
        script,
        low=ranked(task_vectors, kth_largest_magnitude, lambda numel: math.floor(quantile * numel)),
        high=ranked(task_vectors, kth_largest_magnitude, lambda numel: max(0, math.floor((1 - quantile) * numel - 1))),
    )
    balances = [_balance_of(task_vectors, competition, task) for task in range(len(task_vectors))]
    lowest = ranked(balances, partial(kth_largest, zeros=zeros), lambda numel: math.floor((1 - kept) * numel))
    largest = over_tiles(
        task_vectors,
        lambda place, entries: competition.balance(place.key, torch.stack(list(entries))).amax(dim=1, keepdim=True),
        torch.maximum,
    )
    for keys in groups:
        of_group = [largest[key] for key in keys if key in largest]
        # The zeros beside the entries have the balance zero.
        of_group += [torch.zeros(len(task_vectors), 1)] if zeros or not of_group else []
        largest |= dict.fromkeys(keys, reduce(torch.maximum, of_group))
    return CompetitionRule(competition, lowest, largest)


def _balance_of(task_vectors: Sequence[Weights], competition: Competition, task: int) -> Weights:
    """The balance of one task's entries, computed on access."""

    def entries(key: str) -> Callable[[int, int], Tensor]:
        given = [entries_of(vector, key) for vector in task_vectors]
        return lambda begin, end: competition.balance(
            key, torch.stack([entries(begin, end) for entries in given]), slice(task, task + 1)
        )[0]

    return Computed(task_vectors[task], entries)
