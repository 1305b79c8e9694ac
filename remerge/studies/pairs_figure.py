"""How much of their experts' accuracy each two tasks keep together."""

import pandas as pd
from matplotlib.figure import Figure

from remerge.checkpoints.headers import split_tasks
from remerge.figures.few import FEW_TASKS
from remerge.figures.style import WIDTH, new_figure
from remerge.studies.drawing import Labels, Looks


def draw(table: pd.DataFrame, labels: Labels, looks: Looks) -> Figure:
    """Draw a cell per pair."""
    tasks = list(dict.fromkeys(task for pair in table["merged"] for task in split_tasks(pair)))
    place = {task: index for index, task in enumerate(tasks)}
    cells = [[float("nan")] * len(tasks) for _ in tasks]
    for pair, value in zip(table["merged"], table["normalised"], strict=True):
        one, other = split_tasks(pair)
        cells[place[other]][place[one]] = value
    many = len(tasks) > FEW_TASKS
    figure = new_figure(5.6, WIDTH) if many else new_figure(3.6, 4.5)
    axes = figure.subplots()
    low = float(table["normalised"].min()) if table["normalised"].notna().any() else 0.0
    image = axes.imshow(cells, cmap="cividis", vmin=low, vmax=100, aspect="auto" if many else "equal")
    axes.grid(visible=False)
    for row, values in enumerate(cells):
        for column, value in enumerate(values):
            if value == value:
                color = "white" if value < low + 0.6 * (100 - low) else "black"
                axes.text(
                    column, row, f"{value:.0f}", ha="center", va="center", color=color, fontsize=5.5 if many else 7
                )
    axes.set_xticks(range(len(tasks)), tasks, rotation=45, ha="right")
    axes.set_yticks(range(len(tasks)), tasks)
    figure.colorbar(image, label="normalised accuracy (%)")
    return figure
