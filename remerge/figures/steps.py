"""Accuracy against AdaMerging's step: what lower entropy buys."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from remerge.figures.evidence import Evidence
from remerge.figures.style import Look, new_figure, tell_absent
from remerge.methods.registry import algorithms_of_kind
from remerge.scoring.scores import average_accuracy


def draw(evidence: Evidence) -> Figure:
    """Draw the figure from a suite's results."""
    references = evidence.averages(*algorithms_of_kind("rule"))
    trajectories = evidence.scores("trajectories")
    figure = steps_figure(trajectories, references, evidence.labels, evidence.looks)
    return tell_absent(figure, trajectories["task"], evidence.tasks)


def steps_figure(
    trajectories: pd.DataFrame,
    references: Mapping[str, float],
    labels: Mapping[str, str],
    looks: Mapping[str, Look],
) -> Figure:
    """Draw average accuracy against the step.

    Args:
        trajectories: Test scores of AdaMerging's encoders at some steps.
        references: Average accuracy (percent) of methods drawn as horizontal lines.
        labels: Display names of methods.
        looks: Methods' looks.
    """
    # As high as the legend of many methods needs.
    figure = new_figure(max(3.0, 0.4 + 0.15 * (trajectories["method"].nunique() + len(references))))
    axes = figure.subplots()
    averages = average_accuracy(trajectories, ["method", "step"])
    for method, curve in averages.groupby("method", sort=False):
        look, name = looks[str(method)], str(method)
        axes.plot(curve["step"], curve["average"], label=labels[name], marker=look.marker, **look.line())
        low, high = curve["average"] - curve["half_width"], curve["average"] + curve["half_width"]
        axes.fill_between(curve["step"], low, high, color=look.color, alpha=0.12, linewidth=0)
    for name, value in references.items():
        # In the legend, not on the line, because fixed methods are often within a line's width of each other.
        axes.axhline(value, linewidth=1, label=labels[name], zorder=1, **looks[name].line())
    axes.set(xlabel="AdaMerging step", ylabel="average accuracy (%)")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
