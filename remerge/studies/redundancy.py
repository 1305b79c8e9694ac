"""Experts with only the largest entries of their task vectors (arXiv:2306.01708, section 3, Figure 3)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from remerge.run.settings import Share
from remerge.studies.columns import References, by_share_kept
from remerge.studies.settings import Costs, Study

if TYPE_CHECKING:
    import pandas as pd

    from remerge.checkpoints.weights import Weights
    from remerge.scoring.bench import Variant
    from remerge.studies.methods import Merging

QUESTION = "How much of its task vector does an expert need?"
CAPTION = "Each expert with only the largest entries of its task vector: most entries do not matter."
NOTE = "Each expert with only the largest entries of its own task vector, on its own task."


class Settings(Study):
    """Experts with only the largest entries of their task vectors (TIES-Merging, section 3)."""

    kind: Literal["redundancy"]
    keep: list[Share] = Field([0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0], min_length=1, description="Shares of entries kept.")

    def passes(self, suite: Sequence[str], costs: Costs) -> float:
        """Every share of every expert, on its task."""
        return len(self.keep) * costs.images(suite)


def variants(
    task_vectors: "Mapping[str, Weights]", merging: "Merging", *, keep: Sequence[float]
) -> "Iterator[Variant]":
    """Yield each expert with only the largest entries of its task vector, for each share kept."""
    from remerge.merging.streaming import merged_by
    from remerge.merging.ties import trim_thresholds
    from remerge.scoring.bench import Variant
    from remerge.studies.trimmed_mean import TrimmedMean

    for task, vector in task_vectors.items():
        if task not in merging.bench.tasks:
            continue
        for share in keep:
            kept = merged_by(TrimmedMean(trim_thresholds([vector], share)), [vector])
            yield Variant({"merged": task, "keep": share}, kept, 1.0, tasks=[task])


def table(settings: Settings, scores: "pd.DataFrame", references: References) -> "pd.DataFrame":
    """Return every expert's accuracy on its task, and the average, by share kept."""
    return by_share_kept(scores)


def answer(table: "pd.DataFrame", labels: Mapping[str, str]) -> str:
    """Say which share of its task vector brings an expert within a point of its accuracy with the whole."""
    averages = table.dropna(subset="average").set_index("keep")["average"].sort_index()
    if averages.empty or averages.index[-1] != 1:
        return ""
    whole = averages.iloc[-1]
    enough = averages[averages >= whole - 1].index[0]
    return (
        f"With the largest {100 * enough:g} % of their task vectors' entries, experts reach {averages[enough]:.1f} % "
        f"on average; with all entries, {whole:.1f} %."
    )
