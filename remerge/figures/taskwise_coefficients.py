"""AdaMerging's coefficients, one per task, over the steps."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from remerge.figures.evidence import Evidence
from remerge.figures.style import new_figure, tell_absent

_LINES = ("-", "--", "-.", ":")
_COLORS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#7F7F7F")


def draw(evidence: Evidence) -> Figure:
    """Draw the figure from a suite's results."""
    histories = evidence.by_label("taskwise_coefficients")
    learned = {task for history in histories.values() for task in history["task"]}
    figure = taskwise_figure(histories, [task for task in evidence.tasks if task in learned])
    return tell_absent(figure, learned, evidence.tasks)


def taskwise_figure(histories: Mapping[str, pd.DataFrame], tasks: Sequence[str]) -> Figure:
    """Draw each task's coefficient against the step, with a panel per method.

    Args:
        histories: Coefficient files (step, task, layer, value) by method label.
        tasks: Tasks in order.
    """
    # As high as the legend of many tasks needs.
    figure = new_figure(max(2.6, 0.4 + 0.14 * len(tasks)))
    panels = figure.subplots(1, len(histories), sharey=True, squeeze=False)[0]
    styles: dict[str, dict[str, Any]] = {
        task: {"color": _COLORS[i % len(_COLORS)], "linestyle": _LINES[(i + i // len(_COLORS)) % len(_LINES)]}
        for i, task in enumerate(tasks)
    }
    for panel, (label, history) in zip(panels, histories.items(), strict=True):
        for task in tasks:
            of_task = history[history["task"] == task]
            panel.plot(of_task["step"], of_task["value"], **styles[task])
        panel.set(title=label, xlabel="AdaMerging step")
    panels[0].set_ylabel(r"merging coefficient $\lambda_k$")
    handles = [Line2D([], [], label=task, **styles[task]) for task in tasks]
    figure.legend(handles=handles, loc="outside right center")
    return figure
