"""Normalised accuracy against the number of tasks."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from remerge.figures.few import FEW_TASKS
from remerge.figures.style import WIDTH, new_figure
from remerge.studies.drawing import Labels, Looks

MANY = 5
"""Of more methods than this, bands would hide each other, and the legend lines."""


def draw(table: pd.DataFrame, labels: Labels, looks: Looks) -> Figure:
    """Draw a line per method, the spread over subsets as a band; the bands of many methods are pale."""
    count = table["method"].nunique()
    many = count > MANY
    figure = new_figure(max(2.7, 0.4 + 0.15 * count), WIDTH if many else 4.5)
    axes = figure.subplots()
    for method, rows in table.groupby("method", sort=False):
        look = looks[str(method)]
        axes.plot(rows["tasks"], rows["normalised"], marker=look.marker, label=labels[str(method)], **look.line())
        band: dict[str, Any] = {"color": look.color, "alpha": 0.4 / count if many else 0.15, "linewidth": 0}
        axes.fill_between(rows["tasks"], rows["lowest"], rows["highest"], **band)
    axes.set(xlabel="tasks merged", ylabel="normalised accuracy (%)")
    if table["tasks"].max() > FEW_TASKS:
        axes.set_xticks(sorted(set(table["tasks"])))
    if many:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    else:
        axes.legend()
    return figure
