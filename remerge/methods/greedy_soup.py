"""Greedy soup: experts added to an average one by one, as long as held-out accuracy rises (arXiv:2203.05482, recipe 1).

As the authors' code does it (mlfoundations/model-soups): experts are ranked by held-out accuracy, best first, and each
becomes an ingredient if the average with it is more accurate than without. Recipe 1 of the paper also adds those that
leave accuracy as it is (``accept``).

Model soups are published for experts of one task. Here they are of several: accuracy is averaged over all tasks, and
few experts become ingredients. The paper's uniform soup, of all experts, is weight averaging.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.methods.parameters import StatisticsMethod, parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from remerge.checkpoints.weights import Weights
    from remerge.merging.exemplars import Exemplars


@dataclass(frozen=True, kw_only=True)
class GreedySoup(StatisticsMethod):
    """Experts averaged as long as accuracy on validation images rises (arXiv:2203.05482)."""

    algorithm: Literal["greedy_soup"]
    images: int = parameter(5000, ge=1, description="Labelled validation images per task, at most.")
    accept: Literal["better", "equal"] = parameter(
        "better",
        description="What an average must at least be, compared with the one before, for its last expert to stay: "
        "`better`, as in the authors' code, or `equal`, as in the paper.",
    )

    def passes(self, tasks: int) -> int:
        """Every expert and every candidate but the first is scored."""
        return 2 * tasks - 1


def merge(
    task_vectors: Mapping[str, Weights], exemplars: Exemplars, *, accept: Literal["better", "equal"]
) -> dict[str, Tensor]:
    """Return the mean of the task vectors of the ingredients.

    Args:
        task_vectors: By task.
        exemplars: How accurate an encoder is on images of these tasks.
        accept: Whether an expert that leaves accuracy as it is becomes an ingredient (``equal``).
    """
    accuracies = {task: exemplars.accuracy(vector) for task, vector in task_vectors.items()}
    first, *others = sorted(task_vectors, key=lambda task: -accuracies[task])
    ingredients, best = [first], accuracies[first]
    soup = _mean([task_vectors[first]])
    for task in others:
        candidate = _mean([task_vectors[each] for each in (*ingredients, task)])
        accuracy = exemplars.accuracy(candidate)
        if accuracy > best or (accept == "equal" and accuracy == best):
            ingredients.append(task)
            soup, best = candidate, accuracy
    print(f"ingredients: {', '.join(ingredients)}; accuracy {best:.2f} %", file=sys.stderr)
    return soup


def _mean(task_vectors: list[Weights]) -> dict[str, Tensor]:
    from remerge.merging.streaming import merged_by
    from remerge.methods.weight_averaging import merge_rule

    return merged_by(merge_rule(task_vectors), task_vectors)
