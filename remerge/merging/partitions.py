"""Partitions of task vectors by magnitude, their sizes led by outliers: DPPA (arXiv:2403.02799).

A linear layer of a task vector keeps a share of its largest entries that lies around a common one. An entry is an
outlier of its block beyond three times the block's mean magnitude, and of its layer beyond five times the layer's. With
``o`` a block's or layer's share of outliers, and means over all blocks, or over all layers by their sizes::

    share = common + spread * (o_block - mean) / max |o_block - mean| + spread * (o_layer - mean) / max |o_layer - mean|
"""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from remerge.checkpoints.weights import Weights
from remerge.errors import ParameterError
from remerge.merging.matrices import BLOCKS
from remerge.merging.reductions import over_tiles
from remerge.merging.rules import MergeRule, Place
from remerge.merging.selection import kth_largest_magnitude
from remerge.merging.stacks import block_in_stack
from remerge.merging.streaming import numel_of, one_thread_each, shape_of, spoil

OF_BLOCK, OF_LAYER = 3, 5
"""Times the mean magnitude beyond which an entry is an outlier."""
# Shares of outliers that differ by less are equal; scaled to the spread, they would be rounding errors.
EQUAL = 1e-12

Thresholds = Sequence[Mapping[str, float]]
"""By task and layer, the magnitude beyond which entries belong to a partition."""


class PartitionRule(MergeRule):
    """The sum of the entries in both partitions, each times its factor."""

    def __init__(self, kept: Thresholds, core: Thresholds, ratio: float, core_ratio: float) -> None:
        """Make the rule.

        Args:
            kept: Thresholds of what is kept.
            core: Those of its larger entries.
            ratio: Factor of what is kept.
            core_ratio: Factor of the larger entries, and of tensors that are not partitioned, unless ``ratio`` is
                larger.
        """
        self.kept = kept
        self.core = core
        self.ratio = ratio
        self.core_ratio = max(ratio, core_ratio)

    def __call__(self, place: Place, entries: Sequence[Tensor]) -> Tensor:
        """Return a tile's sum of amplified entries."""
        total = torch.zeros_like(entries[0])
        for kept, core, task in zip(self.kept, self.core, entries, strict=True):
            if place.key not in kept:
                total.add_(task, alpha=self.core_ratio)
                continue
            magnitudes = task.abs()
            factors = torch.zeros_like(task).masked_fill_(magnitudes > kept[place.key], self.ratio)
            total += task * factors.masked_fill_(magnitudes > core[place.key], self.core_ratio)
        return spoil(total, entries)


def partition_rule(
    task_vectors: Sequence[Weights], keep: float, core: float, spread: float, ratio: float, core_ratio: float
) -> PartitionRule:
    """Measure outliers and thresholds, and return the rule.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        keep: Share of entries that linear layers keep.
        core: Share of entries that are amplified by ``core_ratio``.
        spread: How far a layer's share may be from these for its block's outliers, and as far again for its own.
        ratio: See :class:`PartitionRule`.
        core_ratio: See :class:`PartitionRule`.

    Raises:
        ParameterError: No tensor is a weight matrix of an attention or MLP block.
    """
    first = task_vectors[0]
    layers = [key for key in first if len(shape_of(first, key)) == 2 and numel_of(first, key) and BLOCKS.search(key)]
    if not layers:
        raise ParameterError(
            "no tensor is a weight matrix of an attention or MLP block; merge these models by another method"
        )
    shifts = spread * _shifts(task_vectors, layers)
    kept, large = (_thresholds(task_vectors, layers, (share + shifts).clamp(0, 1)) for share in (keep, core))
    return PartitionRule(kept, large, ratio, core_ratio)


def _shifts(task_vectors: Sequence[Weights], layers: Sequence[str]) -> Tensor:
    """By how many spreads a layer's share differs from the common one, float64 ``[layers, tasks]``."""
    sizes = {key: numel_of(task_vectors[0], key) for key in layers}
    blocks: dict[object, list[str]] = {}
    for key in layers:
        blocks.setdefault(block_in_stack(key), []).append(key)
    sums = over_tiles(
        task_vectors, lambda _, entries: torch.stack([task.abs().sum(dtype=torch.float64) for task in entries])
    )
    limits = {
        key: torch.stack([OF_BLOCK * _mean(sums, keys, sizes), OF_LAYER * _mean(sums, [key], sizes)])
        for keys in blocks.values()
        for key in keys
    }

    def count(place: Place, entries: Sequence[Tensor]) -> Tensor:
        """How many entries are outliers of their block and of their layer, ``[2, tasks]``."""
        if place.key not in limits:
            return torch.zeros(2, len(entries), dtype=torch.float64)
        beyond = [(task.abs() > limits[place.key][:, i, None]).sum(dim=1) for i, task in enumerate(entries)]
        return torch.stack(beyond, dim=1).double()

    counts = over_tiles(task_vectors, count)
    of_blocks = _centred([_mean(counts, keys, sizes)[0] for keys in blocks.values()], [1] * len(blocks))
    of_layers = _centred([_mean(counts, [key], sizes)[1] for key in layers], list(sizes.values()))
    numbers = {key: number for number, keys in enumerate(blocks.values()) for key in keys}
    return of_blocks[[numbers[key] for key in layers]] + of_layers


def _mean(totals: Mapping[str, Tensor], keys: Sequence[str], sizes: Mapping[str, int]) -> Tensor:
    """The mean over all entries of some tensors of what was added up over each."""
    return torch.stack([totals[key] for key in keys]).sum(dim=0) / sum(sizes[key] for key in keys)


def _centred(shares: Sequence[Tensor], weights: Sequence[int]) -> Tensor:
    """Shares ``[n, tasks]`` minus their weighted mean, divided by the largest magnitude of these differences."""
    stacked, weighted = torch.stack(list(shares)), torch.tensor(weights, dtype=torch.float64)
    centred = stacked - weighted @ stacked / weighted.sum()
    largest = centred.abs().amax(dim=0)
    return torch.where(largest > EQUAL, centred / largest, 0.0)


def _thresholds(task_vectors: Sequence[Weights], layers: Sequence[str], shares: Tensor) -> Thresholds:
    """The largest magnitude that every layer of a task does not keep, given shares ``[layers, tasks]``."""

    def threshold(vector: Weights, key: str, share: float) -> float:
        numel = numel_of(vector, key)
        # As the authors' script counts, whose threshold is itself pruned.
        rank = numel - math.floor(round(numel * (1 - share), 6))
        return float(kth_largest_magnitude(vector, [key], rank)) if rank else math.inf

    with one_thread_each() as threads, ThreadPoolExecutor(threads) as pool:
        return [
            dict(zip(layers, pool.map(threshold, [vector] * len(layers), layers, own.tolist()), strict=True))
            for vector, own in zip(task_vectors, shares.T, strict=True)
        ]
