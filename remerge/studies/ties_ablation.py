"""TIES without each of its steps (arXiv:2306.01708, Table 5)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from remerge.run.settings import Share
from remerge.run.words import listed
from remerge.studies.columns import References, by_task
from remerge.studies.settings import Costs, Study

if TYPE_CHECKING:
    import pandas as pd

    from remerge.checkpoints.weights import Weights
    from remerge.merging.rules import MergeRule
    from remerge.scoring.bench import Variant
    from remerge.studies.methods import Merging

QUESTION = "Which of its steps does TIES need?"
CAPTION = "TIES without each of its steps."
NOTE = "TIES with disjoint mean, each step left out once; difference: in points from TIES."
VARIANTS = 5


class Settings(Study):
    """TIES with disjoint mean, leaving out one step at a time (TIES-Merging, Table 5)."""

    kind: Literal["ties_ablation"]
    keep: Share = Field(0.2, description="Share of entries that survive trimming.")
    scaling: float = Field(description="The merging coefficient lambda.")

    def passes(self, suite: Sequence[str], costs: Costs) -> float:
        """Every variant on all tasks."""
        return VARIANTS * costs.images(suite)


def variants(
    task_vectors: "Mapping[str, Weights]", merging: "Merging", *, keep: float, scaling: float
) -> "Iterator[Variant]":
    """Yield TIES with disjoint mean, then without each of its steps; the last variant is not scaled."""
    from remerge.merging.streaming import merged_by
    from remerge.merging.ties import trim_thresholds
    from remerge.methods.ties import merge_rule
    from remerge.scoring.bench import Variant
    from remerge.studies.trimmed_mean import TrimmedMean

    vectors, frozen_entries = list(task_vectors.values()), merging.frozen_entries

    def variant(name: str, how: "MergeRule", by: float = scaling) -> "Variant":
        return Variant({"variant": name, "scaling": by}, merged_by(how, vectors), by)

    def ties(keep: float, merge: Any) -> "MergeRule":
        return merge_rule(vectors, keep=keep, merge=merge, frozen_entries=frozen_entries)

    yield variant("TIES", ties(keep, "mean"))
    yield variant("without trim", ties(1.0, "mean"))
    yield variant("without elect", TrimmedMean(trim_thresholds(vectors, keep, frozen_entries=frozen_entries)))
    # Without a disjoint mean, the divisor also counts tasks that disagree: the sum over the number of tasks.
    summed = variant("without disjoint mean", ties(keep, "sum"))
    yield Variant(summed.columns, summed.task_vector, scaling / len(vectors))
    yield variant("without scaling", ties(keep, "mean"), 1.0)


def table(settings: Settings, scores: "pd.DataFrame", references: References) -> "pd.DataFrame":
    """Return the accuracy on every task, the average, and its difference from TIES, by variant."""
    wide = by_task(scores, ["variant"])
    average = wide.drop(columns="variant").mean(axis=1)
    return wide.assign(average=average, difference=average - average.iloc[0])


def answer(table: "pd.DataFrame", labels: Mapping[str, str]) -> str:
    """Say without which step TIES is worst, and without which it is no worse."""
    steps = table.iloc[1:].dropna(subset="difference")
    if steps.empty:
        return ""
    worst = steps.loc[steps["difference"].idxmin()]
    spared = steps.loc[steps["difference"].round(1) >= 0, "variant"].str.removeprefix("without ")
    idle = f"without {listed(spared)} it is no worse" if len(spared) else "every step helps"
    if worst["difference"] >= 0:
        return "TIES loses nothing when any one of its steps is left out."
    return f"TIES loses most {worst['variant']}: {-worst['difference']:.1f} points; {idle}."
