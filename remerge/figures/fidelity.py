"""Average accuracy here against the average published for ViT-B/32, a point per merged encoder."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from remerge.checkpoints.headers import split_tasks
from remerge.figures.evidence import Evidence
from remerge.figures.naming import name_points
from remerge.figures.style import Look, new_figure, tell_absent
from remerge.run.csvs import read_csv


def draw(evidence: Evidence) -> Figure:
    """Draw the figure from a suite's results."""
    return figure_of(evidence, "fidelity")


def figure_of(evidence: Evidence, need: str) -> Figure:
    """Draw a table of averages beside published ones, with its correlation."""
    table, correlation = (read_csv(path, ["tasks", "seeds"]) for path in evidence.files[need])
    figure = fidelity_figure(table, correlation, evidence.labels, evidence.looks, evidence.architecture)
    shown = [task for averaged in table["tasks"].dropna().head(1) for task in split_tasks(averaged)]
    return tell_absent(figure, shown, evidence.tasks) if shown else figure


def fidelity_figure(
    table: pd.DataFrame,
    correlation: pd.DataFrame,
    labels: Mapping[str, str],
    looks: Mapping[str, Look],
    architecture: str,
) -> Figure:
    """Draw the merged encoders with their names, and beside them all rows, with those that are not ranked hollow.

    Args:
        table: Columns ``method``, ``role``, ``published``, ``average``, ``low`` and ``high`` (percent).
        correlation: ``methods``, ``spearman``, ``low`` and ``high``, in its first row.
        labels: Display names of methods.
        looks: Methods' looks.
        architecture: The encoder that was merged here.
    """
    figure = new_figure(3.6)
    every, merged = figure.subplots(1, 2, width_ratios=[1, 2.4])
    shown = table.dropna(subset="average")
    is_merged = shown["role"] == "merged"
    for axes, rows in ((every, shown), (merged, shown[is_merged])):
        _points(axes, rows, looks)
        axes.set(xlabel="ViT-B/32: published average (%)", ylabel=f"{architecture}: average accuracy (%)")
    every.set_title("all rows; hollow: not ranked")
    merged.set_title(_correlation(correlation))
    merged.margins(x=0.12, y=0.15)
    for axes, rows in ((every, shown[~is_merged]), (merged, shown[is_merged])):
        points, bars = (rows[columns].to_numpy(float) for columns in (["published", "average"], ["low", "high"]))
        name_points(axes, points, bars, [labels[name] for name in rows["method"]])
    return figure


def _points(axes: Axes, rows: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    for row in rows.to_dict("records"):
        look, value = looks[row["method"]], row["average"]
        axes.errorbar(
            [row["published"]],
            [value],
            yerr=[[value - row["low"]], [row["high"] - value]],
            color=look.color,
            marker=look.marker,
            markerfacecolor=look.color if row["role"] == "merged" else "white",
            elinewidth=0.8,
            linestyle="none",
        )


def _correlation(correlation: pd.DataFrame) -> str:
    if correlation.empty or pd.isna(correlation["spearman"].iloc[0]):
        return "merged encoders"
    first = correlation.iloc[0]
    return (
        rf"merged encoders: $\rho$ = {first['spearman']:.2f} [{first['low']:.2f}, {first['high']:.2f}], "
        f"{first['methods']} methods"
    )
