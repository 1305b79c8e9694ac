"""TIES taken apart (arXiv:2306.01708, sections 3 and 6): without each of its steps, and with other shares kept."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from remerge.checkpoints.weights import Weights
from remerge.merging.streaming import Place, Rule, merged_by
from remerge.merging.ties import rule, trim_thresholds
from remerge.scoring.bench import Variant


class Unelected(Rule):
    """The mean over tasks of the entries that survive trimming, whatever their signs."""

    def __init__(self, thresholds: Sequence[Mapping[str, Tensor]]) -> None:
        self.thresholds = thresholds

    def __call__(self, place: Place, entries: Sequence[Tensor]) -> Tensor:
        """Return the mean over tasks, of those tasks whose entry survived."""
        total, count = torch.zeros_like(entries[0]), torch.zeros_like(entries[0])
        for own, thresholds in zip(entries, self.thresholds, strict=True):
            kept = (own.abs() >= thresholds[place.key]) & (own != 0)
            total += own * kept
            count += kept
        return total / count.clamp_(min=1)


def ablation(task_vectors: Sequence[Weights], *, keep: float, scaling: float, frozen: int) -> Iterator[Variant]:
    """Yield TIES with disjoint mean, and without each of its steps (Table 5 of the paper).

    Args:
        task_vectors: One per task.
        keep: Share of entries that survive trimming.
        scaling: The merging coefficient lambda of all but the last.
        frozen: See :func:`remerge.merging.ties.trim_thresholds`.
    """

    def variant(name: str, merging: Rule, by: float = scaling) -> Variant:
        return Variant({"variant": name, "scaling": by}, merged_by(merging, task_vectors), by)

    def ties(keep: float, merge: Any) -> Rule:
        return rule(task_vectors, keep=keep, merge=merge, frozen=frozen)

    yield variant("TIES", ties(keep, "mean"))
    yield variant("without trim", ties(1.0, "mean"))
    yield variant("without elect", Unelected(trim_thresholds(task_vectors, keep, frozen=frozen)))
    # All tasks divide, those that disagree too: the sum, shorter by the number of tasks.
    summed = variant("without disjoint mean", ties(keep, "sum"))
    yield Variant(summed.columns, summed.task_vector, scaling / len(task_vectors))
    yield variant("without scaling", ties(keep, "mean"), 1.0)


def density(
    task_vectors: Sequence[Weights], shares: Sequence[float], *, merge: Any, scaling: float, frozen: int
) -> Iterator[Variant]:
    """Yield TIES with each share of entries kept."""
    for keep in shares:
        merging = rule(task_vectors, keep=keep, merge=merge, frozen=frozen)
        yield Variant({"keep": keep, "scaling": scaling}, merged_by(merging, task_vectors), scaling)


def redundancy(task_vectors: Mapping[str, Weights], shares: Sequence[float]) -> Iterator[Variant]:
    """Yield each expert with only the largest entries of its task vector (Figure 3 of the paper)."""
    for task, vector in task_vectors.items():
        for keep in shares:
            kept = merged_by(Unelected(trim_thresholds([vector], keep)), [vector])
            yield Variant({"merged": task, "keep": keep}, kept, 1.0, tasks=[task])
