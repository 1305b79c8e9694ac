"""Every method on every task of a large suite: the main table as a picture."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from remerge.figures.evidence import Evidence
from remerge.figures.style import new_figure, tell_absent
from remerge.scoring.scores import accuracy


def draw(evidence: Evidence) -> Figure:
    """Draw the figure from a suite's results."""
    scores = evidence.scores()
    experts = next(iter(evidence.methods_of("individual")), None)
    labels = evidence.labels_in(scores)
    figure = heat_map_figure(scores, labels, evidence.tasks, evidence.methods_with_parts, experts)
    return tell_absent(figure, scores["task"], evidence.tasks)


def heat_map_figure(
    scores: pd.DataFrame,
    labels: Mapping[str, str],
    tasks: Sequence[str],
    parted: Collection[str] = (),
    experts: str | None = None,
) -> Figure:
    """Draw a cell per method and task, with its accuracy in percent, and what sums them up apart on the left.

    That is the average, the worst task, the spread (standard deviation over tasks, not coloured) and, if there are
    experts, the normalised average. A line divides methods that keep parts for every task from those of one encoder.

    Args:
        scores: Test scores of all methods of one suite.
        labels: Display names of methods, in order.
        tasks: Tasks in order.
        parted: The methods that keep parts for every task; they come last.
        experts: The method that stands for the tasks' experts.
    """
    scored = [name for name in labels if (scores["method"] == name).any()]
    names = sorted(scored, key=lambda name: name in parted)
    percent = scores.assign(accuracy=accuracy(scores)).pivot(index="method", columns="task", values="accuracy")
    by_task = percent.reindex(index=names, columns=tasks)
    summary = pd.DataFrame({"average": by_task.mean(axis=1), "worst": by_task.min(axis=1)})
    summary["spread"] = by_task.std(axis=1, ddof=0)
    if experts in names:
        # Nothing can be divided by an accuracy of 0.
        relative = by_task / by_task.loc[experts].where(by_task.loc[experts] > 0)
        summary["normalised"] = 100 * relative.mean(axis=1)
    figure = new_figure(1.2 + 0.165 * len(names))
    panels = figure.subplots(1, 2, sharey=True, width_ratios=[1.4 * summary.shape[1], len(tasks)])
    for panel, cells, decimals in zip(panels, (summary, by_task), (1, 0), strict=True):
        colored = cells.assign(spread=np.nan) if "spread" in cells else cells
        image = panel.imshow(colored, cmap="cividis", vmin=0, vmax=100, aspect="auto")
        for (row, column), value in np.ndenumerate(cells.to_numpy()):
            if value == value:
                ink = "white" if colored.iat[row, column] < 55 else "black"
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
