"""Columns shared by several kinds of studies: accuracy by task, averages, and accuracy relative to the experts.

Score frames have ``accuracy`` in percent; :func:`remerge.studies.tables.study_table` adds it.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

References = Mapping[str, Mapping[str, float]]
"""Accuracy in percent of ``pretrained`` and ``individual``, by task."""


def by_task(scores: "pd.DataFrame", keys: Sequence[str]) -> "pd.DataFrame":
    """Return one row per encoder and one column per task, both in order of first appearance.

    Args:
        scores: Accuracies, one row per encoder and task.
        keys: The columns that identify an encoder.
    """
    keys = list(keys)
    tasks = list(dict.fromkeys(scores["task"]))
    wide = scores.pivot(index=keys, columns="task", values="accuracy")[tasks].reset_index()
    return scores[keys].drop_duplicates().merge(wide, on=keys, how="left")


def by_share_kept(scores: "pd.DataFrame") -> "pd.DataFrame":
    """Return the accuracy on every task, and the average, for each share ``keep`` of entries kept."""
    wide = by_task(scores, ["keep"])
    return wide.assign(average=wide.drop(columns="keep").mean(axis=1))


def normalised(scores: "pd.DataFrame", references: References) -> "pd.DataFrame":
    """Add accuracy as a percentage of the expert's; missing where the expert's accuracy is 0."""
    experts = {task: percent for task, percent in references["individual"].items() if percent}
    return scores.assign(normalised=100 * scores["accuracy"] / scores["task"].map(experts).astype(float))
