"""Every task at once: accuracy divided by the expert's, one polygon per method."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import cast

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.projections.polar import PolarAxes

from remerge.figures.evidence import Evidence
from remerge.figures.style import Look, new_figure, tell_absent
from remerge.methods.registry import ONE_ENCODER, SHARED_AND_PARTS
from remerge.scoring.scores import accuracy


def draw(evidence: Evidence) -> Figure:
    """Draw the figure from a suite's results."""
    experts, *_ = evidence.methods_of("individual")
    # One of each kind, because more polygons would hide each other.
    kinds = {(m["algorithm"], m.get("granularity")): name for name, m in reversed(list(evidence.methods.items()))}
    scores = evidence.scores()
    labels = {name: label for name, label in evidence.labels_in(scores).items() if name in kinds.values()}
    labels.pop(experts, None)
    figure = radar_figure(scores, experts, labels, evidence.looks, evidence.tasks, evidence.methods_with_parts)
    return tell_absent(figure, scores["task"], evidence.tasks)


def radar_figure(
    scores: pd.DataFrame,
    experts: str,
    labels: Mapping[str, str],
    looks: Mapping[str, Look],
    tasks: Sequence[str],
    parted: Collection[str] = (),
) -> Figure:
    """Draw normalised accuracy per task; methods that keep parts for every task have a panel of their own.

    Args:
        scores: Test scores of all methods of one suite.
        experts: The method that stands for the tasks' experts.
        labels: Display names of the methods to draw, in order.
        looks: Methods' looks.
        tasks: Tasks, clockwise from the top.
        parted: The methods that keep parts for every task.
    """
    percent = scores.assign(accuracy=accuracy(scores)).pivot(index="method", columns="task", values="accuracy")
    percent = percent[[task for task in tasks if task in percent]]
    # Tasks without an expert, or whose expert has accuracy 0, cannot be normalised.
    relative = 100 * percent / percent.loc[experts].where(percent.loc[experts] > 0)
    blocks = {
        ONE_ENCODER: [name for name in labels if name not in parted],
        SHARED_AND_PARTS: [name for name in labels if name in parted],
    }
    shown = {title: names for title, names in blocks.items() if names}
    # Below two panels, the legend of many methods would take their room.
    figure = new_figure(4.2 + (0.3 + 0.15 * max(0, math.ceil(len(labels) / 2) - 6) if len(shown) > 1 else 0))
    for index, (title, names) in enumerate(shown.items(), start=1):
        axes = cast(PolarAxes, figure.add_subplot(1, len(shown), index, projection="polar"))
        _draw_polygons(axes, relative.loc[names], labels, looks)
        if len(shown) > 1:
            axes.set_title(title)
    figure.legend(loc="outside right center" if len(shown) == 1 else "outside lower center", ncols=len(shown))
    return figure


def _draw_polygons(
    axes: PolarAxes, relative: pd.DataFrame, labels: Mapping[str, str], looks: Mapping[str, Look]
) -> None:
    """Draw a polygon per row of a table of methods by tasks."""
    angles = [2 * math.pi * index / relative.shape[1] for index in range(relative.shape[1])]
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    for name, values in zip(relative.index, relative.to_numpy().tolist(), strict=True):
        look, closed = looks[name], [*values, values[0]]
        axes.plot([*angles, angles[0]], closed, marker=look.marker, label=labels[name], **look.line())
    axes.set_xticks(angles, list(relative.columns))
    axes.set_ylim(0, 100)
    axes.set_yticks([25, 50, 75, 100], [])
    axes.tick_params(axis="x", pad=4)
    between = math.pi / relative.shape[1]
    for share in (25, 50, 75, 100):
        # Drawn separately, because the axis draws its labels below the lines.
        text = axes.text(between, share, f"{share} %", fontsize=6.5, ha="center", va="center", zorder=4)
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85})
