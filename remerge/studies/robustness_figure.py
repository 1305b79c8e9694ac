"""Average accuracy on every kind of images, a marker per method."""

import pandas as pd
from matplotlib.figure import Figure

from remerge.figures.style import new_figure
from remerge.studies.drawing import Labels, Looks, groups, markers


def draw(table: pd.DataFrame, labels: Labels, looks: Looks) -> Figure:
    """Draw a group per kind of images."""
    images = list(dict.fromkeys(table["images"]))
    methods = list(dict.fromkeys(table["method"]))
    figure = new_figure(max(2.9, 0.4 + 0.15 * len(methods)))
    axes = figure.subplots()
    for index, method in enumerate(methods):
        average = table[table["method"] == method].set_index("images")["average"]
        markers(axes, [average[name] for name in images], index, len(methods), labels[method], looks[method])
    groups(axes, [name.replace("_", " ") for name in images])
    axes.set_ylabel("average accuracy (%)")
    return figure
