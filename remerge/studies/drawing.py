"""Drawing code shared by the figures of all kinds of studies."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from remerge.figures.few import FEW_TASKS
from remerge.figures.style import Look, new_figure
from remerge.studies.kind import load_draw

Labels = Mapping[str, str]
"""Display names of methods."""
Looks = Mapping[str, Look]
"""Colours and markers of methods."""
Draw = Callable[[pd.DataFrame, Labels, Looks], Figure]
"""A function that draws a table."""


def study_figure(kind: str, table: pd.DataFrame, labels: Labels, looks: Looks) -> Figure:
    """Draw a study's table (:func:`remerge.studies.tables.study_table`).

    Args:
        kind: The kind of study.
        table: The study's table.
        labels: Display names of methods.
        looks: Colours and markers of methods.
    """
    if table.empty:
        figure = new_figure(1.0, 4.5)
        figure.suptitle("Nothing to show: too few tasks have images", fontsize=8)
        return figure
    figure = load_draw(kind)(table.drop(columns="scored", errors="ignore"), labels, looks)
    if "scored" in table:
        figure.suptitle(f"{table['scored'].iloc[0]} tasks have images", fontsize=7)
    return figure


def against_share_kept(table: pd.DataFrame) -> Figure:
    """Draw accuracy against the share of entries kept: thin lines for tasks, a thick one for the average.

    Args:
        table: ``keep``, a column per task, and ``average``.
    """
    tasks = [column for column in table if column not in ("keep", "average")]
    figure = new_figure(max(2.7, 0.6 + 0.13 * len(tasks)), 4.5)
    axes = figure.subplots()
    share = 100 * table["keep"]
    for task in tasks:
        axes.plot(share, table[task], color="0.7", linewidth=0.8)
    span = table[tasks].to_numpy().max() - table[tasks].to_numpy().min()
    level = float("-inf")
    many = len(tasks) > FEW_TASKS
    # Place labels from the bottom up, each as close to the end of its line as the label below allows.
    for task in sorted(tasks, key=lambda name: float(table[name].iloc[-1])):
        end = (share.iloc[-1], float(table[task].iloc[-1]))
        level = max(end[1], level + 0.045 * span)
        if many:
            # So many labels end up away from their lines.
            beside: dict[str, Any] = {"xytext": (1.02, level), "textcoords": axes.get_yaxis_transform()}
            line: dict[str, Any] = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.5, "shrinkA": 1, "shrinkB": 0}
            beside["arrowprops"] = line | {"relpos": (0, 0.5)}
            axes.annotate(task, end, fontsize=6, va="center", **beside)
        else:
            axes.annotate(task, (end[0], level), xytext=(4, 0), textcoords="offset points", fontsize=6, va="center")
    if many:
        axes.set_ylim(top=level + 0.045 * span)
    axes.plot(share, table["average"], color="black", marker="o", label="average")
    axes.set(xlabel="entries kept (%)", ylabel="accuracy (%)", xlim=(0, None))
    axes.legend()
    return figure


def markers(axes: Axes, values: list[float], index: int, of: int, label: str, look: Look) -> None:
    """Draw a method's marker in each group, with methods side by side.

    Args:
        axes: Where to draw.
        values: The method's value in each group.
        index: The method's index.
        of: Number of methods.
        label: The method's display name.
        look: The method's colour and marker.
    """
    across = [group + (index - (of - 1) / 2) * 0.7 / of for group in range(len(values))]
    axes.plot(across, values, linestyle="none", marker=look.marker, color=look.color, markersize=5, label=label)


def groups(axes: Axes, names: list[str], *, turned: bool = True, named: bool = True) -> None:
    """Label the groups on the horizontal axis.

    Args:
        axes: Where markers were drawn.
        names: The groups' names.
        turned: Whether to slant the names.
        named: Whether to add a legend on the right, if the names are slanted.
    """
    slant = (90 if len(names) > FEW_TASKS else 30) if turned else 0
    axes.set_xticks(range(len(names)), names, rotation=slant, ha="right" if slant == 30 else "center")
    axes.grid(visible=False, axis="x")
    handles, _ = axes.get_legend_handles_labels()
    if len(handles) > 1 and turned and named:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
