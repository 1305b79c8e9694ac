"""Sums of two task vectors, scored on both tasks (arXiv:2212.04089, section 4.1, Figure 2)."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from remerge.checkpoints.headers import SEPARATOR, split_tasks
from remerge.studies.columns import References, normalised
from remerge.studies.settings import Costs, Study

if TYPE_CHECKING:
    import pandas as pd

    from remerge.checkpoints.weights import Weights
    from remerge.scoring.bench import Variant
    from remerge.studies.methods import Merging

QUESTION = "Do two tasks fit into one encoder?"
CAPTION = "Two task vectors added: what both tasks keep of their experts' accuracy."
NOTE = "The sum of two task vectors, on both tasks; normalised: accuracy divided by the expert's."


class Settings(Study):
    """Sum every pair of task vectors and score on both tasks (Task Arithmetic, section 4)."""

    fewest_tasks = 2

    kind: Literal["pairs"]
    scaling: float = Field(0.3, description="The merging coefficient lambda.")

    def passes(self, suite: Sequence[str], costs: Costs) -> float:
        """Every task with every other."""
        return (len(suite) - 1) * costs.images(suite)


def variants(task_vectors: "Mapping[str, Weights]", merging: "Merging", *, scaling: float) -> "Iterator[Variant]":
    """Yield the sum of every pair of task vectors, to be scored on both tasks."""
    from remerge.merging.streaming import merged_by
    from remerge.methods.task_arithmetic import Sum
    from remerge.scoring.bench import Variant

    scored = [task for task in task_vectors if task in merging.bench.tasks]
    for one, other in combinations(scored, 2):
        merged = merged_by(Sum(), [task_vectors[one], task_vectors[other]])
        yield Variant({"merged": SEPARATOR.join((one, other)), "scaling": scaling}, merged, scaling, tasks=[one, other])


def table(settings: Settings, scores: "pd.DataFrame", references: References) -> "pd.DataFrame":
    """Return the average accuracy of each pair on its two tasks, also normalised."""
    pairs = normalised(scores, references).groupby("merged", sort=False, as_index=False)
    return pairs.agg(average=("accuracy", "mean"), normalised=("normalised", "mean"))


def answer(table: "pd.DataFrame", labels: Mapping[str, str]) -> str:
    """Say how much of the experts' accuracy pairs keep, on average and at the extremes."""
    kept = table.dropna(subset="normalised").set_index("merged")["normalised"]
    if kept.empty:
        return ""
    worst, best = (" and ".join(split_tasks(pair)) for pair in (kept.idxmin(), kept.idxmax()))
    return (
        f"Two task vectors added keep {kept.mean():.1f} % of the experts' accuracy on average: from {kept.min():.1f} % "
        f"({worst}) to {kept.max():.1f} % ({best})."
    )
