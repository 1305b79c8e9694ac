"""Accuracy before and after forgetting, on each task and on its control."""

import pandas as pd
from matplotlib.figure import Figure

from remerge.figures.style import new_figure
from remerge.studies.drawing import Labels, Looks, groups


def draw(table: pd.DataFrame, labels: Labels, looks: Looks) -> Figure:
    """Draw a panel for the tasks and one for their controls."""
    figure = new_figure(2.7)
    panels = figure.subplots(1, 2, sharey=True)
    for panel, role in zip(panels, ("target", "control"), strict=True):
        for index, row in enumerate(table.to_dict("records")):
            before, after = row[f"{role} before"], row[f"{role} after"]
            panel.plot([index, index], [before, after], color="0.7", zorder=1)
            panel.plot(
                index, before, "o", color="black", markerfacecolor="white", label="before" if not index else None
            )
            panel.plot(index, after, "o", color="black", label="after" if not index else None)
        groups(panel, list(table["task" if role == "target" else "control"]), named=role == "control")
        panel.set_title("the task to forget" if role == "target" else "its control")
    panels[0].set_ylabel("accuracy (%)")
    return figure
