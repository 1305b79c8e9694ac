"""Sign conflicts against the number of tasks."""

import pandas as pd
from matplotlib.figure import Figure

from remerge.figures.evidence import Evidence
from remerge.figures.style import new_figure


def draw(evidence: Evidence) -> Figure:
    """Draw the figure from a suite's results."""
    table = evidence.table("conflicts")
    figure = conflicts_figure(table)
    # One task vector has no conflicts, and no rows.
    if (experts := max(table["tasks"], default=1)) < len(evidence.tasks):
        figure.suptitle(f"{experts}/{len(evidence.tasks)} tasks have an expert", fontsize=7)
    return figure


def conflicts_figure(table: pd.DataFrame) -> Figure:
    """Draw the share of entries with opposing signs, with one line per share of entries kept.

    Args:
        table: The result of :func:`remerge.merging.conflicts.sign_conflicts`.
    """
    figure = new_figure(2.6, 4.5)
    axes = figure.subplots()
    for (keep, own), line, marker in zip(
        table.groupby("keep", sort=False), ("-", "--", ":", "-."), "os^D", strict=False
    ):
        axes.plot(own["tasks"], own["percent"], color="black", linestyle=line, marker=marker, label=f"{100 * keep:g} %")
    axes.set(xlabel="task vectors", ylabel="entries with opposing signs (%)", ylim=(0, None))
    axes.set_xticks(sorted(set(table["tasks"])))
    axes.legend(title="entries kept", title_fontsize=7)
    return figure
