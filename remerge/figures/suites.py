"""Accuracy against the number of tasks: every method on suites nested in each other."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from remerge.figures.evidence import Evidence
from remerge.figures.style import Look, new_figure


def draw(evidence: Evidence) -> Figure:
    """Draw the figure from a suite's results."""
    return suites_figure(evidence.table("suites"), evidence.labels, evidence.looks)


def suites_figure(table: pd.DataFrame, labels: Mapping[str, str], looks: Mapping[str, Look]) -> Figure:
    """Draw a line per method: average accuracy on the left and normalised accuracy on the right.

    Args:
        table: Columns ``suite``, ``tasks``, ``method``, ``average`` and ``normalised`` (percent).
        labels: Display names of methods.
        looks: Methods' looks.
    """
    shown = table.dropna(subset="average")
    names = list(dict.fromkeys(shown["method"]))
    columns = 3
    figure = new_figure(3.0 + 0.15 * -(-len(names) // columns))
    panels = figure.subplots(1, 2)
    for panel, column in zip(panels, ("average", "normalised"), strict=True):
        for name in names:
            rows, look = shown[shown["method"] == name], looks[name]
            panel.plot(rows["tasks"], rows[column], marker=look.marker, label=labels[name], **look.line())
        panel.set(xlabel="tasks merged", ylabel=f"{column} accuracy (%)")
        panel.set_xticks(sorted(set(shown["tasks"])))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=columns)
    return figure
