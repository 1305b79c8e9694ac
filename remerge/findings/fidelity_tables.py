"""Tables of averages beside those published for ViT-B/32."""

from collections.abc import Mapping, Sequence

import pandas as pd
from tabulate import tabulate

from remerge.checkpoints.headers import split_tasks
from remerge.findings.tables import latex_table
from remerge.run.markup import LATEX, MARKDOWN, Markup
from remerge.scoring.coverage import absence


def sentence(correlations: pd.DataFrame) -> str:
    """Return in a sentence what :func:`remerge.findings.fidelity.correlations` returns."""
    first, alone = correlations.iloc[0], correlations.iloc[1:]
    if pd.isna(first["spearman"]):
        return f"No rank correlation with ViT-B/32: too few merged methods ({first['methods']}), or all of them alike."
    text = (
        "Spearman's rank correlation with the averages published for ViT-B/32: "
        f"{first['spearman']:.2f} [{first['low']:.2f}, {first['high']:.2f}], {first['methods']} merged methods"
    )
    if alone.empty:
        return f"{text}."
    values = alone["spearman"].astype(float)
    return (
        f"{text}, averages over {len(alone)} training seeds. With one seed alone: {values.mean():.2f} on average, "
        f"{values.min():.2f} at least (seed {alone.loc[values.idxmin(), 'seeds']})."
    )


def fidelity_markdown(
    table: pd.DataFrame, correlations: pd.DataFrame, labels: Mapping[str, str], tasks: Sequence[str]
) -> str:
    """Return the comparison in Markdown, beginning with the correlation.

    Args:
        table: The first result of :func:`remerge.findings.fidelity.fidelity`.
        correlations: The second.
        labels: Display names of methods.
        tasks: The suite's tasks.
    """
    headers, body = _layout(table, labels, MARKDOWN)
    note = MARKDOWN.plain(_note(table, labels, tasks))
    laid_out = tabulate(body, headers, tablefmt="github", disable_numparse=True)
    return f"{sentence(correlations)}\n\n{laid_out}\n\n{note}\n"


def fidelity_latex(
    table: pd.DataFrame, correlations: pd.DataFrame, labels: Mapping[str, str], tasks: Sequence[str]
) -> str:
    """Return the comparison in LaTeX (package booktabs); arguments as for :func:`fidelity_markdown`."""
    headers, body = _layout(table, labels, LATEX)
    return latex_table(headers, {"": body}, LATEX.plain(f"{sentence(correlations)} {_note(table, labels, tasks)}"))


def _layout(table: pd.DataFrame, labels: Mapping[str, str], markup: Markup) -> tuple[list[str], list[list[str]]]:
    seeds = [str(column) for column in table if str(column).startswith("seed ")]
    columns = [*("published", "average", "low", "high"), *seeds, *("published rank", "rank")]
    rows = table[table["role"] != "left out"].reindex(columns=["method", *columns])
    body = []
    for row in rows.to_dict("records"):
        cells = ["–" if pd.isna(row[name]) else f"{row[name]:{'g' if 'rank' in name else '.1f'}}" for name in columns]
        interval = cells.pop(2), cells.pop(2)
        cells.insert(2, " to ".join(interval))
        body.append([markup.plain(text) for text in (labels[row["method"]], *cells)])
    headers = ["Method", "ViT-B/32, published", "Here", "95 % interval", *map(str.capitalize, seeds)]
    return [markup.plain(name) for name in (*headers, "Rank, published", "Rank here")], body


def _note(table: pd.DataFrame, labels: Mapping[str, str], tasks: Sequence[str]) -> str:
    seeds = sum(str(column).startswith("seed ") for column in table)
    averaged = str(table["tasks"].iloc[0])
    left_out = table[table["role"] == "left out"]
    named = "; ".join(f"{labels[name]} ({why})" for name, why in zip(left_out["method"], left_out["note"], strict=True))
    parts = [
        "Average accuracy in percent. Published: on the Task Arithmetic authors' checkpoints, over the papers' eight "
        "tasks, with all decimals where the authors' logs have them.",
        f"95 % intervals: over test images and {seeds} training seeds."
        if seeds
        else "95 % intervals: over test images alone; there is one training seed.",
        "Correlation and ranks are of methods that merge into one encoder. A method is compared with the published one "
        "of the same parameters, but for those of how long it learns and what it is tuned over "
        "(published/fidelity.yaml).",
        absence(split_tasks(averaged), tasks) if averaged else "",
        f"Not compared: {named}." if named else "",
    ]
    return " ".join(filter(None, parts))
