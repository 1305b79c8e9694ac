"""TIES with different shares of entries kept (arXiv:2306.01708, section 6)."""

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

QUESTION = "How much of each task vector should TIES keep?"
CAPTION = "How much of each task vector TIES should keep."
NOTE = "TIES with a share of each task vector's entries kept."


class Settings(Study):
    """TIES with different shares of entries kept (TIES-Merging, section 6)."""

    kind: Literal["ties_density"]
    keep: list[Share] = Field(
        [0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0], min_length=1, description="Shares of entries that survive trimming."
    )
    merge: Literal["sum", "mean", "max"] = Field("sum", description="Disjoint merge, as for `ties`.")
    scaling: float = Field(0.3, description="The merging coefficient lambda.")

    def passes(self, suite: Sequence[str], costs: Costs) -> float:
        """Every share on all tasks."""
        return len(self.keep) * costs.images(suite)


def variants(
    task_vectors: "Mapping[str, Weights]",
    merging: "Merging",
    *,
    keep: Sequence[float],
    merge: Literal["sum", "mean", "max"],
    scaling: float,
) -> "Iterator[Variant]":
    """Yield TIES with each share of entries kept."""
    from remerge.merging.streaming import merged_by
    from remerge.methods.ties import merge_rule
    from remerge.scoring.bench import Variant

    vectors = list(task_vectors.values())
    for share in keep:
        ties = merge_rule(vectors, keep=share, merge=merge, frozen_entries=merging.frozen_entries)
        yield Variant({"keep": share, "scaling": scaling}, merged_by(ties, vectors), scaling)


def table(settings: Settings, scores: "pd.DataFrame", references: References) -> "pd.DataFrame":
    """Return the accuracy on every task, and the average, by share kept."""
    return by_share_kept(scores)


def answer(table: "pd.DataFrame", labels: Mapping[str, str]) -> str:
    """Say at which share TIES is best, and how good it is untrimmed."""
    averages = table.dropna(subset="average").set_index("keep")["average"]
    if averages.empty:
        return ""
    best = averages.idxmax()
    whole = f", against {averages[1.0]:.1f} % with all of them" if best != 1 and 1.0 in averages else ""
    return f"TIES is best when it keeps {100 * best:g} % of the entries: {averages[best]:.1f} % on average{whole}."
