"""Merge random subsets of the tasks, of every size (arXiv:2306.01708, section 6)."""

import random
from collections.abc import Iterator, Mapping, Sequence
from math import comb
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from remerge.checkpoints.headers import split_tasks
from remerge.run.words import are, leaders
from remerge.studies.columns import References, normalised
from remerge.studies.settings import Costs, StudyOfMethods

if TYPE_CHECKING:
    import pandas as pd

    from remerge.checkpoints.weights import Weights
    from remerge.scoring.bench import Variant
    from remerge.studies.methods import Merging

QUESTION = "How many tasks can be merged?"
CAPTION = "The more tasks are merged, the less of each expert is left. Bands: lowest and highest subset."
NOTE = "Means over random subsets of the tasks; normalised: accuracy divided by the expert's."


class Settings(StudyOfMethods):
    """Merge random subsets of the tasks (TIES-Merging, section 6)."""

    kind: Literal["task_counts"]
    counts: list[Annotated[int, Field(ge=1)]] = Field(
        [2, 3, 4, 5, 6, 7, 8], min_length=1, description="Numbers of tasks to merge."
    )
    subsets: int = Field(3, ge=1, description="Number of random subsets of each size.")
    seed: int = Field(0, ge=0, description="Seed of the random subsets.")

    @property
    def parts(self) -> list[str]:
        """One per number of tasks."""
        return [f"count-{count}" for count in dict.fromkeys(self.counts)]

    def settings_of(self, part: str) -> dict[str, Any]:
        """Return the settings, with the numbers of tasks up to this one, because their subsets are drawn first."""
        return super().settings_of(part) | {"counts": list(dict.fromkeys(self.counts))[: self.parts.index(part) + 1]}

    def passes(self, suite: Sequence[str], costs: Costs) -> float:
        """Every subset with every method, on the subset's tasks, each assumed to have the average number of images."""
        images = costs.images(suite)
        return sum(
            self.subsets * (images * tasks / len(suite) + costs.learning(method, tasks))
            for tasks in self.counts
            if tasks <= len(suite)
            for method in self.methods
        )


def variants(
    task_vectors: "Mapping[str, Weights]",
    merging: "Merging",
    *,
    counts: Sequence[int],
    subsets: int,
    seed: int,
    methods: Sequence[str],
) -> "Iterator[Variant]":
    """Yield each method's merge of each random subset of the last size, to be scored on the subset's tasks."""
    for tasks in random_subsets(list(task_vectors), counts, subsets, seed):
        if len(tasks) == counts[-1] and any(task in merging.bench.tasks for task in tasks):
            yield from merging.variants(methods, {task: task_vectors[task] for task in tasks}, tasks)


def random_subsets(tasks: Sequence[str], counts: Sequence[int], each: int, seed: int) -> list[tuple[str, ...]]:
    """Draw random subsets of tasks.

    Args:
        tasks: Tasks to sample from.
        counts: Sizes of the subsets.
        each: Number of distinct subsets of each size; all of them if there are fewer.
        seed: Seed of the sampling.

    Returns:
        Subsets in order of size, each in the tasks' order.
    """
    chance = random.Random(seed)
    drawn: list[tuple[str, ...]] = []
    for count in counts:
        # Sample indices of subsets rather than subsets, because there may be too many to list.
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


def table(settings: Settings, scores: "pd.DataFrame", references: References) -> "pd.DataFrame":
    """Return mean and normalised accuracy by method and number of tasks, with the lowest and highest subset."""
    merges = normalised(scores, references).groupby(["method", "merged"], sort=False, as_index=False)
    means = merges.agg(average=("accuracy", "mean"), normalised=("normalised", "mean"))
    means["tasks"] = [len(split_tasks(merged)) for merged in means["merged"]]
    return means.groupby(["method", "tasks"], sort=False, as_index=False).agg(
        subsets=("merged", "size"),
        average=("average", "mean"),
        normalised=("normalised", "mean"),
        lowest=("normalised", "min"),
        highest=("normalised", "max"),
    )


def answer(table: "pd.DataFrame", labels: Mapping[str, str]) -> str:
    """Say what is left of the experts' accuracy with the fewest and with the most tasks, and by which method."""
    kept = table.dropna(subset="normalised")
    if kept.empty:
        return ""
    told: list[str] = []
    for count in dict.fromkeys([kept["tasks"].min(), kept["tasks"].max()]):
        values = dict(kept[kept["tasks"] == count].set_index("method")["normalised"])
        best = are(labels[method] for method in leaders(values))
        of = "" if told else " of the experts' accuracy"
        told.append(
            f"{best} best with {count:g} {'task' if count == 1 else 'tasks'}, keeping {max(values.values()):.1f} %{of}"
        )
    return ", and ".join(told) + "."
