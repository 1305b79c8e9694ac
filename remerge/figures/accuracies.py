"""Every method on every task, with intervals: the main table as a picture."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from remerge.figures.evidence import Evidence
from remerge.figures.style import Look, new_figure, tell_absent
from remerge.methods.registry import SHARED_AND_PARTS
from remerge.scoring.scores import accuracy, average_accuracy, intervals

MANY = 16
"""Methods whose legend fits below the axes in four columns."""


def draw(evidence: Evidence) -> Figure:
    """Draw the figure from a suite's results."""
    scores = evidence.scores()
    labels, parted = evidence.labels_in(scores), evidence.methods_with_parts
    figure = accuracies_figure(scores, labels, evidence.looks, evidence.tasks, parted)
    return tell_absent(figure, scores["task"], evidence.tasks)


def accuracies_figure(
    scores: pd.DataFrame,
    labels: Mapping[str, str],
    looks: Mapping[str, Look],
    tasks: Sequence[str],
    parted: Collection[str] = (),
) -> Figure:
    """Draw accuracy per task, with methods side by side and 95 % intervals; the average is set apart on the right.

    A dotted line divides methods that keep parts for every task from those of one encoder.

    Args:
        scores: Test scores of all methods of one suite.
        labels: Display names of methods, in order.
        looks: Methods' looks.
        tasks: Tasks in order.
        parted: The methods that keep parts for every task.
    """
    figure = new_figure(3.3)
    axes = figure.subplots()
    scored = [name for name in labels if (scores["method"] == name).any()]
    names = sorted(scored, key=lambda name: name in parted)
    averages = average_accuracy(scores, ["method"]).set_index("method")
    for index, name in enumerate(names):
        rows = scores[scores["method"] == name].set_index("task").reindex(list(tasks)).dropna(subset="n")
        percent, ends = accuracy(rows), intervals(rows)
        offset = (index - (len(names) - 1) / 2) * 0.8 / len(names)
        places = [list(tasks).index(task) + offset for task in rows.index] + [len(tasks) + 0.4 + offset]
        average = averages.loc[name]
        axes.errorbar(
            places,
            [*percent, average["average"]],
            yerr=[
                [*(percent - ends["low"]), average["half_width"]],
                [*(ends["high"] - percent), average["half_width"]],
            ],
            linestyle="none",
            marker=looks[name].marker,
            color=looks[name].color,
            elinewidth=0.8,
            label=labels[name],
        )
    axes.axvline(len(tasks) - 0.3, color="0.6", linewidth=0.8)
    if count := sum(name in parted for name in names):
        for center in (*range(len(tasks)), len(tasks) + 0.4):
            place = center + (len(names) / 2 - count) * 0.8 / len(names)
            axes.axvline(place, color="0.6", linewidth=0.6, linestyle=":")
        axes.set_title(f"right of the dotted lines: {SHARED_AND_PARTS}", loc="right", fontsize=7)
    axes.set_xticks(
        [*range(len(tasks)), len(tasks) + 0.4],
        [*tasks, "average"],
        rotation=30,
        ha="right",
        rotation_mode="anchor",
    )
    axes.set_ylabel("accuracy (%)")
    axes.set_ylim(0, 102)
    axes.grid(visible=False, axis="x")
    # The legend of many methods would be too wide, and take the room of the axes.
    columns = 4 if len(names) <= MANY else 3
    figure.set_figheight(3.3 + 0.14 * max(0, -(-len(names) // columns) - MANY // 4))
    figure.legend(loc="outside lower center", ncols=columns)
    return figure
