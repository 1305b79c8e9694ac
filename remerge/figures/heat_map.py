"""Every method on every task of a large suite: the main table as a picture."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from remerge.figures.evidence import Evidence
from remerge.figures.style import new_figure, tell_absent
from remerge.scoring.scores import accuracy, average_accuracy


def draw(evidence: Evidence) -> Figure:
    """Draw the figure from a suite's results."""
    scores = evidence.scores()
    figure = heat_map_figure(scores, evidence.labels_in(scores), evidence.tasks, evidence.methods_with_parts)
    return tell_absent(figure, scores["task"], evidence.tasks)


def heat_map_figure(
    scores: pd.DataFrame, labels: Mapping[str, str], tasks: Sequence[str], parted: Collection[str] = ()
) -> Figure:
    """Draw a cell per method and task, with its accuracy in percent, and the averages apart on the left.

    A line divides methods that keep parts for every task from those of one encoder.

    Args:
        scores: Test scores of all methods of one suite.
        labels: Display names of methods, in order.
        tasks: Tasks in order.
        parted: The methods that keep parts for every task; they come last.
    """
    scored = [name for name in labels if (scores["method"] == name).any()]
    names = sorted(scored, key=lambda name: name in parted)
    percent = scores.assign(accuracy=accuracy(scores)).pivot(index="method", columns="task", values="accuracy")
    averages = average_accuracy(scores, ["method"]).set_index("method")["average"]
    figure = new_figure(1.2 + 0.165 * len(names))
    panels = figure.subplots(1, 2, sharey=True, width_ratios=[1.6, len(tasks)])
    summary, by_task = averages.loc[names].to_frame(), percent.reindex(index=names, columns=tasks)
    for panel, cells, decimals in zip(panels, (summary, by_task), (1, 0), strict=True):
        image = panel.imshow(cells, cmap="cividis", vmin=0, vmax=100, aspect="auto")
        for (row, column), value in np.ndenumerate(cells.to_numpy()):
            if value == value:
                ink = "white" if value < 55 else "black"
                text = f"{value:.{decimals}f}"
                panel.text(column, row, text, ha="center", va="center", color=ink, fontsize=5.5)
        if 0 < (count := sum(name in parted for name in names)) < len(names):
            panel.axhline(len(names) - count - 0.5, color="white", linewidth=2)
        panel.set_xticks(range(cells.shape[1]), list(cells), rotation=60, ha="right", rotation_mode="anchor")
        panel.tick_params(length=0)
        panel.grid(visible=False)
        panel.spines[:].set_visible(False)
    panels[0].set_yticks(range(len(names)), [labels[name] for name in names], fontsize=6.5)
    figure.colorbar(image, ax=list(panels), label="accuracy (%)", pad=0.01, aspect=40)
    return figure
