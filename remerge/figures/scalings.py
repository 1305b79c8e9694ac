"""Accuracy against the scaling lambda: how much of the merged task vector is best."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from remerge.figures.evidence import Evidence
from remerge.figures.few import FEW_TASKS
from remerge.figures.style import Look, curve_styles, legend_below_or_beside, new_figure, reference_line, tell_absent
from remerge.methods.measured import curves_as, read_measured
from remerge.scoring.coverage import scored_tasks
from remerge.scoring.scores import accuracy, average_accuracy


def draw(evidence: Evidence) -> Figure:
    """Draw the figure from a suite's results."""
    sweeps = evidence.scores("sweeps")
    records = [json.loads(Path(path).read_text(encoding="utf-8")) for path in evidence.files["records"]]
    chosen: dict[str, dict[str, float]] = {}
    for record in records:
        for curve in sweeps["method"].unique():
            if evidence.merge_alike(curve, record["method"]):
                chosen.setdefault(curve, {})[record["method"]] = record["scaling"]
    published = evidence.table("published_curves")
    same = (published["origin"] == evidence.origin) & (published["architecture"] == evidence.architecture)
    measured = read_measured(evidence.files["published_methods"][0]).get(evidence.origin, {})
    drawn = {name: evidence.methods[name] for name in sweeps["method"].unique()}
    curves = published[same].assign(method=published["method"].map(curves_as(drawn, measured)))
    figure = scaling_figure(
        sweeps,
        evidence.averages("pretrained", "individual"),
        chosen,
        evidence.labels,
        evidence.looks,
        scored_tasks(sweeps, evidence.tasks),
        curves.dropna(subset="method"),
    )
    return tell_absent(figure, sweeps["task"], evidence.tasks)


def scaling_figure(
    sweeps: pd.DataFrame,
    references: Mapping[str, float],
    chosen: Mapping[str, Mapping[str, float]],
    labels: Mapping[str, str],
    looks: Mapping[str, Look],
    tasks: Sequence[str],
    published: pd.DataFrame | None = None,
) -> Figure:
    """Draw the average and every task's accuracy against lambda.

    Args:
        sweeps: Test scores of methods at a grid of scalings.
        references: Average accuracy (percent) of methods drawn as horizontal lines.
        chosen: For each curve, the scalings that the main table uses, by the id of the method; drawn as markers.
        labels: Display names of methods.
        looks: Methods' looks.
        tasks: Tasks in order, one small panel each.
        published: Published numbers for the same checkpoints, with columns ``method`` (whose curve they belong to),
            ``scaling`` and ``average``.
    """
    rows = -(-len(tasks) // 4)
    figure = new_figure(2.9 + 1.25 * rows)
    grid = figure.add_gridspec(1 + rows, 4, height_ratios=[2.3] + [1] * rows)
    main = figure.add_subplot(grid[0, :])
    averages = average_accuracy(sweeps, ["method", "scaling"])
    styles = curve_styles(averages["method"].unique(), looks)
    for method, curve in averages.groupby("method", sort=False):
        look, name = looks[str(method)], str(method)
        main.plot(curve["scaling"], curve["average"], label=labels[name], **styles[name])
        low, high = curve["average"] - curve["half_width"], curve["average"] + curve["half_width"]
        main.fill_between(curve["scaling"], low, high, color=look.color, alpha=0.15, linewidth=0)
        for marked, scaling in chosen.get(name, {}).items():
            label = labels[marked] if marked != name else None
            _mark(main, curve.set_index("scaling")["average"], scaling, looks[marked], label)
    for method, points in published.groupby("method", sort=False) if published is not None else ():
        look, label = looks[str(method)], f"{labels[str(method)]}, published"
        points = points.sort_values("scaling")
        (drawn,) = main.plot(points["scaling"], points["average"], color=look.color, linestyle="none", label=label)
        drawn.set(marker=look.marker, markerfacecolor="white")
    for name, value in references.items():
        reference_line(main, value, labels[name], looks[name])
    main.set(xlabel=r"scaling $\lambda$", ylabel="average accuracy (%)")
    # The panels of many tasks take the room beside the curves.
    legend_below_or_beside(figure, main, below=len(tasks) > FEW_TASKS)
    percent = sweeps.assign(accuracy=accuracy(sweeps))
    for index, task in enumerate(tasks):
        panel = figure.add_subplot(grid[1 + index // 4, index % 4])
        for method, curve in percent[percent["task"] == task].groupby("method", sort=False):
            panel.plot(curve["scaling"], curve["accuracy"], linewidth=1, **looks[str(method)].line())
        panel.set_title(task)
        panel.set_ylim(0, 100)
        if index % 4:
            panel.set_yticklabels([])
        else:
            panel.set_ylabel("accuracy (%)")
        if index + 4 >= len(tasks):
            panel.set_xlabel(r"scaling $\lambda$")
    return figure


def _mark(axes: Axes, curve: pd.Series, scaling: float, look: Look, label: str | None) -> None:
    """Mark a scaling of the main table on the curve, interpolating between points of the grid."""
    if not curve.index.min() <= scaling <= curve.index.max():
        return
    points = pd.concat([curve, pd.Series({scaling: None}, dtype=float)]) if scaling not in curve.index else curve
    value = points.sort_index().interpolate("index")[scaling]
    axes.plot(
        [scaling],
        [value],
        linestyle="none",
        marker=look.marker,
        markersize=7,
        color=look.color,
        markeredgecolor="white",
        label=label,
    )
