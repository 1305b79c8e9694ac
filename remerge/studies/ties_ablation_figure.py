"""What each step of TIES is worth."""

import pandas as pd
from matplotlib.figure import Figure

from remerge.figures.style import new_figure
from remerge.studies.drawing import Labels, Looks


def draw(table: pd.DataFrame, labels: Labels, looks: Looks) -> Figure:
    """Draw points from TIES, a bar per step."""
    figure = new_figure(1.8, 4.5)
    axes = figure.subplots()
    rows = table.iloc[1:][::-1]
    axes.barh(rows["variant"], rows["difference"], color="0.6", edgecolor="black", height=0.6)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel(f"points from TIES ({table['average'].iloc[0]:.1f} %)")
    return figure
