"""Accuracy against the number of tasks: every method's average on suites nested in each other."""

from collections.abc import Mapping, Sequence

import pandas as pd
from tabulate import tabulate

from remerge.findings.tables import Row, divider, fitted_latex_table, in_blocks, main_table, mark_blocks, number
from remerge.methods.registry import BLOCKS, ONE_ENCODER
from remerge.run.markup import LATEX, MARKDOWN, Markup
from remerge.scoring.held_out import notes_on

NOTE = (
    "Average: accuracy in percent on test images, over the tasks of a suite. Normalised: mean over tasks of accuracy "
    "divided by the expert's. Best merged encoder of each column and block bold, second underlined."
)


def suites_table(scores: pd.DataFrame, methods: Mapping[str, Row], suites: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return one row per suite and method, with the numbers of the suite's main table.

    Args:
        scores: Test scores of all methods of all suites, with the columns ``suite`` and ``method``.
        methods: The methods; each suite has them block by block.
        suites: The tasks of each suite, fewest first.

    Returns:
        Columns ``suite``, ``tasks`` (of the suite), ``method`` (its id), ``average`` (percent), ``half_width`` (of the
        average's 95 % interval, points), ``normalised`` (percent) and ``averaged``, the number of tasks averaged; if an
        encoder merges only some of the tasks, also ``merged``, such as ``a+b``. Unscored cells are missing.
    """
    tables = []
    for suite, tasks in suites.items():
        table = main_table(scores[scores["suite"] == suite], methods, tasks).rename(columns={"tasks": "averaged"})
        tables.append(table.assign(suite=suite, tasks=len(tasks), method=list(in_blocks(methods))))
    whole = pd.concat(tables, ignore_index=True)
    columns = ["suite", "tasks", "method", "average", "half_width", "normalised", "averaged"]
    return whole.reindex(columns=[*columns, *(["merged"] if "merged" in whole else [])])


def suites_markdown(table: pd.DataFrame, methods: Mapping[str, Row]) -> str:
    """Return the result of :func:`suites_table` in Markdown, a row per method and two columns per suite."""
    headers, blocks = _layout(table, methods, MARKDOWN)
    body = blocks.pop(ONE_ENCODER, [])
    for title, rows in blocks.items():
        body += [divider(title, len(headers)), *rows]
    laid_out = tabulate(body, headers, tablefmt="github", disable_numparse=True)
    return f"{laid_out}\n\n{MARKDOWN.plain(_note(table, methods))}\n"


def suites_latex(table: pd.DataFrame, methods: Mapping[str, Row]) -> str:
    """Return the result of :func:`suites_table` in LaTeX (packages booktabs and graphicx), with the same marks."""
    headers, blocks = _layout(table, methods, LATEX)
    return fitted_latex_table(headers, blocks, LATEX.plain(_note(table, methods)))


def _note(table: pd.DataFrame, methods: Mapping[str, Row]) -> str:
    tasks = table.groupby("suite", sort=False)["tasks"].first()
    named = ", ".join(f"{suite} ({count})" for suite, count in tasks.items())
    return " ".join([NOTE, f"Suites: {named}, each nested in the next.", *notes_on(map(_uses, methods.values()))])


def _uses(row: Row) -> str:
    return ", ".join(row.uses)


def _layout(
    table: pd.DataFrame, methods: Mapping[str, Row], markup: Markup
) -> tuple[list[str], dict[str, list[list[str]]]]:
    """Headers, and the printed rows of every block: averages by suite, then normalised averages."""
    rows = list(in_blocks(methods).values())
    blocks = {block: [index for index, row in enumerate(rows) if row.block == block] for block in BLOCKS}
    competes = [row.competes for row in rows]
    averages: dict[str, list[str]] = {}
    relative: dict[str, list[str]] = {}
    for count, suite in table.groupby("tasks", sort=False):
        cells = [["", number(row["average"]), number(row["normalised"])] for row in suite.to_dict("records")]
        merged = suite.assign(tasks=suite["averaged"])
        mark_blocks(cells, merged, list(blocks.values()), competes, [1, 2], 1, int(count), markup)
        of = f"{count} {'task' if count == 1 else 'tasks'}"
        # The number of merged tasks, which is put after a label if it is smaller, belongs to one suite's average here.
        averages[f"Average, {of}"] = [f"{average}{fewer}" for fewer, average, _ in cells]
        relative[f"Normalised, {of}"] = [share for *_, share in cells]
    columns = averages | relative
    body = [
        [markup.plain(row.label), *cells, markup.plain(_uses(row) or "–")]
        for row, *cells in zip(rows, *columns.values(), strict=True)
    ]
    shown = {block: [body[index] for index in indices] for block, indices in blocks.items() if indices}
    return ["Method", *columns, "Looks at"], shown
