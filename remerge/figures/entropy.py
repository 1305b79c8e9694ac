"""Entropy, which AdaMerging minimises, against loss, which should be small."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from remerge.figures.evidence import Evidence
from remerge.figures.few import FEW_TASKS
from remerge.figures.style import new_figure, tell_absent


def draw(evidence: Evidence) -> Figure:
    """Draw the figure from a suite's results."""
    table = evidence.table("entropy")
    return tell_absent(entropy_figure(table), table["task"], evidence.tasks)


def entropy_figure(table: pd.DataFrame) -> Figure:
    """Draw, per task, the mean loss of test images in groups of increasing entropy.

    Args:
        table: The result of :func:`remerge.scoring.entropy.entropy_table`.
    """
    tasks = list(dict.fromkeys(table["task"]))
    rows = -(-len(tasks) // 4)
    figure = new_figure(0.6 + 1.5 * rows)
    smaller: dict[str, Any] = {"fontsize": 7} if len(tasks) > FEW_TASKS else {}
    panels = figure.subplots(rows, min(4, len(tasks)), squeeze=False)
    for panel in panels.flat[len(tasks) :]:
        panel.set_visible(False)
    for panel, task in zip(panels.flat, tasks, strict=False):
        groups = table[table["task"] == task]
        panel.plot(groups["entropy"], groups["loss"], color="black", marker="o", markersize=3)
        # There is no rank correlation for a single image, or if all entropies are equal.
        spearman = groups["spearman"].iloc[0]
        known = f"{spearman:.2f}" if spearman == spearman else "–"
        panel.set_title(f"{task}: \N{GREEK SMALL LETTER RHO} = {known}", **smaller)
        panel.set(xlim=(0, None), ylim=(0, None))
    figure.supxlabel("entropy (nats)", fontsize=8)
    figure.supylabel("cross-entropy with the labels (nats)", fontsize=8)
    return figure
