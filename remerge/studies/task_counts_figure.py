"""Normalised accuracy against the number of tasks."""

import pandas as pd
from matplotlib.figure import Figure

from remerge.figures.style import new_figure
from remerge.studies.drawing import Labels, Looks


def draw(table: pd.DataFrame, labels: Labels, looks: Looks) -> Figure:
    """Draw a line per method, the spread over subsets as a band."""
    figure = new_figure(2.7, 4.5)
    axes = figure.subplots()
    for method, rows in table.groupby("method", sort=False):
        look = looks[str(method)]
        axes.plot(rows["tasks"], rows["normalised"], marker=look.marker, label=labels[str(method)], **look.line())
        axes.fill_between(rows["tasks"], rows["lowest"], rows["highest"], color=look.color, alpha=0.15, linewidth=0)
    axes.set(xlabel="tasks merged", ylabel="normalised accuracy (%)")
    axes.legend()
    return figure
