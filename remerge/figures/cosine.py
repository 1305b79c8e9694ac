"""Cosine similarity between task vectors: how little the tasks' directions have in common."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from remerge.figures.evidence import Evidence
from remerge.figures.style import new_figure, tell_absent

MANY = 12
"""From more tasks than this, numbers need less room."""


def draw(evidence: Evidence) -> Figure:
    """Draw the figure from a suite's results."""
    table = evidence.table("cosine")
    figure = cosine_figure(table, [task for task in evidence.tasks if task in set(table["task_a"])])
    return tell_absent(figure, table["task_a"], evidence.tasks)


def cosine_figure(similarity: pd.DataFrame, tasks: Sequence[str]) -> Figure:
    """Draw the matrix with its numbers.

    Args:
        similarity: Columns task_a, task_b, cosine.
        tasks: Rows and columns in order.
    """
    side = min(6.5, 1.6 + 0.42 * len(tasks))
    figure = new_figure(side * 0.86, side)
    axes = figure.subplots()
    matrix = similarity.pivot(index="task_a", columns="task_b", values="cosine").loc[list(tasks), list(tasks)]
    many = len(tasks) > MANY
    # Square cells leave long names too little room.
    image = axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1, aspect="auto" if many else "equal")
    for row in range(len(tasks)):
        for column in range(len(tasks)):
            value = matrix.iat[row, column]
            axes.text(
                column,
                row,
                f"{value:.2f}".removeprefix("0") if many else f"{value:.2f}",
                ha="center",
                va="center",
                fontsize=5.5 if many else 6.5,
                color="white" if value > 0.6 else "black",
            )
    axes.set_xticks(range(len(tasks)), list(tasks), rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(tasks)), list(tasks))
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, label="cosine similarity of task vectors", shrink=0.85)
    return figure
