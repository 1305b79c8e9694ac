"""Columns that the tables of several kinds share: accuracy by task, averages, and accuracy relative to the experts'.

Score frames have ``accuracy`` in percent, as :func:`remerge.studies.tables.study_table` passes them on.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

References = Mapping[str, Mapping[str, float]]
"""Accuracy in percent of ``pretrained`` and ``individual``, by task."""


def by_task(scores: "pd.DataFrame", keys: Sequence[str]) -> "pd.DataFrame":
    """Return one row per encoder and one column per task, both in the order of their first appearance.

    Args:
        scores: Accuracies, one row per encoder and task.
        keys: The columns that tell encoders apart.
    """
    keys = list(keys)
    tasks = list(dict.fromkeys(scores["task"]))
    wide = scores.pivot(index=keys, columns="task", values="accuracy")[tasks].reset_index()
    return scores[keys].drop_duplicates().merge(wide, on=keys, how="left")


def by_share_kept(scores: "pd.DataFrame") -> "pd.DataFrame":
    """Return accuracy on every task, and its average, for each share ``keep`` of entries kept."""
    wide = by_task(scores, ["keep"])
    return wide.assign(average=wide.drop(columns="keep").mean(axis=1))


def normalised(scores: "pd.DataFrame", references: References) -> "pd.DataFrame":
    """Add accuracy divided by the expert's, in percent; nothing can be divided by an expert that is never right."""
    experts = {task: percent for task, percent in references["individual"].items() if percent}
    return scores.assign(normalised=100 * scores["accuracy"] / scores["task"].map(experts).astype(float))
