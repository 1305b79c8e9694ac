"""Answers in the form of the task's against the scaling lambda: where merged models cease to answer."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from remerge.figures.evidence import Evidence
from remerge.figures.style import Look, curve_styles, legend_below_or_beside, new_figure


def draw(evidence: Evidence) -> Figure:
    """Draw the figure from a suite's results."""
    return valid_figure(evidence.scores("text_sweeps"), evidence.labels, evidence.looks)


def valid_figure(sweeps: pd.DataFrame, labels: Mapping[str, str], looks: Mapping[str, Look]) -> Figure:
    """Draw the average share of valid answers against lambda.

    Args:
        sweeps: Test scores of methods at a grid of scalings, on texts.
        labels: Display names of methods.
        looks: Methods' looks.
    """
    figure = new_figure(2.9)
    axes = figure.subplots()
    shares = sweeps.assign(share=100 * sweeps["valid"] / sweeps["n"])
    averages = shares.groupby(["method", "scaling"], sort=False, as_index=False)["share"].mean()
    styles = curve_styles(averages["method"].unique(), looks)
    for method, curve in averages.groupby("method", sort=False):
        axes.plot(curve["scaling"], curve["share"], label=labels[str(method)], **styles[str(method)])
    axes.set(xlabel=r"scaling $\lambda$", ylabel="valid answers (%)", ylim=(0, 103))
    legend_below_or_beside(figure, axes)
    return figure
