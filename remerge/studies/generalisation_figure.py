"""Averages over seen and unseen tasks of every split."""

import pandas as pd
from matplotlib.figure import Figure

from remerge.figures.style import new_figure
from remerge.studies.drawing import Labels, Looks, groups, markers


def draw(table: pd.DataFrame, labels: Labels, looks: Looks) -> Figure:
    """Draw a panel per split, with a line where the pre-trained encoder is on the unseen tasks."""
    splits = list(dict.fromkeys(table["part"]))
    methods = list(dict.fromkeys(table["method"]))
    # The legend of many methods would take the panels' room.
    figure = new_figure(2.7 + 0.14 * max(0, len(methods) // 3 - 2))
    panels = figure.subplots(1, len(splits), sharey=True, squeeze=False)[0]
    for panel, split in zip(panels, splits, strict=True):
        rows = table[table["part"] == split].set_index("method")
        averages = rows.reindex(methods)
        for index, method in enumerate(methods):
            values = [averages["seen average"][method], averages["unseen average"][method]]
            markers(panel, values, index, len(methods), labels[method], looks[method])
        level = rows["unseen, pretrained"].iloc[0]
        if level == level:
            panel.plot([0.55, 1.45], [level, level], color="0.4", linestyle=":", label="Pretrained, unseen tasks")
        panel.set_title(f"unseen: {rows['unseen'].iloc[0]}")
        groups(panel, ["merged tasks", "unseen tasks"], turned=False)
    panels[0].set_ylabel("average accuracy (%)")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    return figure
