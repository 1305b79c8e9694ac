"""Normalised accuracy against the number of tasks, the spread over subsets as a band."""

import pandas as pd
from matplotlib.figure import Figure

from remerge.figures.style import new_figure
from remerge.studies.drawing import Labels, Looks


def draw(table: pd.DataFrame, labels: Labels, looks: Looks) -> Figure:
    """Normalised accuracy against the number of tasks, the spread over subsets as a band."""
    figure = new_figure(2.7, 4.5)
    axes = figure.subplots()
    for method, own in table.groupby("method", sort=False):
        look = looks[str(method)]
        axes.plot(own["tasks"], own["normalised"], marker=look.marker, label=labels[str(method)], **look.line())
        axes.fill_between(own["tasks"], own["lowest"], own["highest"], color=look.color, alpha=0.15, linewidth=0)
    axes.set(xlabel="tasks merged", ylabel="normalised accuracy (%)")
    axes.legend()
    return figure
