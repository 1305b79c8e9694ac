"""Arithmetic with task vectors (arXiv:2212.04089): forgetting by negation, pairs, and how many can be added."""

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from math import comb

from remerge.checkpoints.weights import Weights
from remerge.merging.streaming import merged_by
from remerge.merging.task_arithmetic import Sum
from remerge.scoring.bench import Variant


def negation(
    task_vectors: Mapping[str, Weights], controls: Mapping[str, str], scalings: Sequence[float]
) -> Iterator[Variant]:
    """Yield the pre-trained encoder minus a scaled task vector, to be scored on its task and a control (section 3).

    Args:
        task_vectors: By task.
        controls: Another task for each, which should not be forgotten.
        scalings: Values of lambda; 0 is the pre-trained encoder.
    """
    for task, vector in task_vectors.items():
        for scaling in scalings:
            yield Variant({"merged": task, "scaling": scaling}, vector, -scaling, tasks=[task, controls[task]])


def controls(tasks: Sequence[str]) -> dict[str, str]:
    """Return every task's control, the next of the tasks; none where there is only one task."""
    return dict(zip(tasks, [*tasks[1:], tasks[0]], strict=True)) if len(tasks) > 1 else {}


def pairs(task_vectors: Mapping[str, Weights], scaling: float) -> Iterator[Variant]:
    """Yield the sum of each two task vectors, to be scored on both tasks (section 4.1, Figure 2)."""
    for one, other in combinations(task_vectors, 2):
        merged = merged_by(Sum(), [task_vectors[one], task_vectors[other]])
        yield Variant({"merged": f"{one}+{other}", "scaling": scaling}, merged, scaling, tasks=[one, other])


def subsets(tasks: Sequence[str], counts: Sequence[int], each: int, seed: int) -> list[tuple[str, ...]]:
    """Draw random subsets of tasks.

    Args:
        tasks: To draw from.
        counts: Sizes of the subsets.
        each: Subsets of each size, all different; fewer where there are no more.
        seed: Of the draw.

    Returns:
        Subsets in order of size, each in the tasks' order.
    """
    chance = random.Random(seed)
    drawn: list[tuple[str, ...]] = []
    for count in counts:
        # Their numbers are drawn, not the subsets, of which there may be very many.
        possible = range(comb(len(tasks), count))
        numbers = sorted(chance.sample(possible, min(each, len(possible))))
        drawn += [_combination(tasks, count, number) for number in numbers]
    return drawn


def _combination(tasks: Sequence[str], count: int, number: int) -> tuple[str, ...]:
    """The combination that :func:`itertools.combinations` would yield after ``number`` others."""
    chosen: list[str] = []
    for place, task in enumerate(tasks):
        left = count - len(chosen)
        with_this = comb(len(tasks) - place - 1, left - 1) if left else 0
        if number < with_this:
            chosen.append(task)
        else:
            number -= with_this
    return tuple(chosen)
