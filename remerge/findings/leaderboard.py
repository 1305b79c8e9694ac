"""Methods grouped by what they need: this run's averages beside those published for each family of checkpoints."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd
from tabulate import tabulate

from remerge.clip.architectures import ARCHITECTURES
from remerge.findings.published import averages
from remerge.findings.tables import (
    Row,
    divider,
    fitted_latex_table,
    in_blocks,
    mark_blocks,
    notes_on_tasks,
    number,
    what_is_read,
)
from remerge.methods.measured import Measured, Methods, paired
from remerge.methods.registry import SHARED_AND_PARTS
from remerge.run.markup import LATEX, MARKDOWN, Markup
from remerge.scoring.held_out import notes_on

REFERENCES = "references"
"""The block of rows that merge nothing and compete with no one."""
SCORED = ("method", "uses", "average", "half_width", "tasks", "merged")
"""Columns that it has of the main table."""
DEMANDS = ("shared", "per_task", "more_per_image", "task_name")
"""Columns that it has of the cost table."""
OURS = ("block", *SCORED, *DEMANDS)
"""Columns that are not published averages."""
NOTE = (
    "A block has the methods that need the same data and store the same kind of result; blocks are never ranked "
    "together: best of each block bold, second underlined. Average: accuracy in percent on test {reads}, ± its 95 % "
    "interval (sampling of test {reads} only). Shared, per task, more per image: see cost.md. Other columns: averages "
    "over the papers' eight tasks, published for one family of checkpoints (published/README.md) and one encoder, for "
    "the same algorithm and parameters but for those of how long it learns and what it is tuned over "
    "(published/fidelity.yaml). Numbers of two columns are not comparable. –: not published with these parameters."
)


def needs(row: Row) -> str:
    """Return the title of a method's block: the data that it looks at, and whether it keeps parts for tasks."""
    if not row.competes:
        return REFERENCES
    parts = ["a part for every task"] if row.block == SHARED_AND_PARTS else []
    return f"needs {' and '.join([*row.uses, *parts]) or 'nothing but the checkpoints'}"


def published_columns(
    published: pd.DataFrame,
    measured: Mapping[str, Mapping[str, Measured]],
    methods: Methods,
    may_differ: Collection[str],
) -> dict[str, dict[str, float]]:
    """Return the averages published for methods of a configuration, by family of checkpoints and encoder.

    Args:
        published: The result of :func:`remerge.findings.published.read_published`.
        measured: What published methods were measured with, by family and name.
        methods: The configuration's methods.
        may_differ: Parameters in which a method may differ from the published one.

    Returns:
        By column, such as ``task-vectors ViT-B-32``, percentages by method; families in the order of ``published``.
    """
    columns = {}
    for family in published["origin"].unique():
        names = paired(methods, measured.get(family, {}), may_differ)
        for encoder in ARCHITECTURES:
            known = averages(published, family, encoder)
            columns[f"{family} {encoder}"] = {method: known[name] for method, name in names.items() if name in known}
    return columns


def leaderboard(
    table: pd.DataFrame,
    methods: Mapping[str, Row],
    costs: pd.DataFrame,
    published: Mapping[str, Mapping[str, float]],
) -> pd.DataFrame:
    """Return one row per method, block by block of what methods need, and in each block the best first.

    Args:
        table: The result of :func:`remerge.findings.tables.main_table`.
        methods: The methods in its rows.
        costs: The result of :func:`remerge.findings.cost.cost_table`.
        published: The result of :func:`published_columns`.

    Returns:
        Columns ``block`` (:func:`needs`), :data:`SCORED` (``merged`` only if an encoder does not merge all tasks),
        :data:`DEMANDS`, and a column (percent) for each of ``published`` in which a method that merges has a number.
    """
    named = in_blocks(methods)
    demands = costs.set_index("method")[list(DEMANDS)].to_dict("index")
    columns = [
        column
        for column, values in published.items()
        if any(row.competes and name in values for name, row in named.items())
    ]
    rows = [
        {"block": needs(row)}
        | {name: cells.get(name) for name in SCORED}
        | demands.get(row.label, {})
        | {column: published[column].get(name) for column in columns}
        for (name, row), cells in zip(named.items(), table.to_dict("records"), strict=True)
    ]
    simplest = sorted(named.values(), key=lambda row: (row.competes, row.block == SHARED_AND_PARTS, bool(row.uses)))
    titles = list(dict.fromkeys(map(needs, simplest)))
    ours = [name for name in OURS if name != "merged" or name in table]
    frame = pd.DataFrame(rows, columns=[*ours, *columns])
    place = frame["block"].map(titles.index)
    # References stay in the configuration's order.
    rank = -frame["average"].where(frame["block"] != REFERENCES)
    sorted_rows = frame.assign(place=place, rank=rank).sort_values(["place", "rank"], kind="stable")
    return sorted_rows.drop(columns=["place", "rank"]).reset_index(drop=True)


def leaderboard_markdown(table: pd.DataFrame, scores: pd.DataFrame, tasks: Sequence[str]) -> str:
    """Return the leaderboard in Markdown, with the best of each block bold and the second underlined.

    Args:
        table: The result of :func:`leaderboard`.
        scores: The main table that it was made from.
        tasks: The suite's tasks.
    """
    headers, blocks = _layout(table, len(tasks), MARKDOWN)
    body = blocks.pop(REFERENCES)
    for title, rows in blocks.items():
        body += [divider(title, len(headers)), *rows]
    note = MARKDOWN.plain(_note(scores, tasks))
    return tabulate(body, headers, tablefmt="github", disable_numparse=True) + f"\n\n{note}\n"


def leaderboard_latex(table: pd.DataFrame, scores: pd.DataFrame, tasks: Sequence[str]) -> str:
    """Return the leaderboard in LaTeX (packages booktabs, graphicx); arguments as for :func:`leaderboard_markdown`."""
    headers, blocks = _layout(table, len(tasks), LATEX)
    return fitted_latex_table(headers, blocks, LATEX.plain(_note(scores, tasks)))


def _note(scores: pd.DataFrame, tasks: Sequence[str]) -> str:
    note = NOTE.format(reads=what_is_read(scores))
    return " ".join([note, *notes_on_tasks(scores, tasks), *notes_on(scores["uses"])])


def _layout(table: pd.DataFrame, tasks: int, markup: Markup) -> tuple[list[str], dict[str, list[list[str]]]]:
    """Headers, and the printed rows of every block, the references first."""
    published = [column for column in table if column not in OURS]
    body = [
        [
            markup.plain(row["method"]),
            *(number(row[name]) for name in ("average", "half_width", *published, "shared")),
            number(row["per_task"], 2),
            number(row["more_per_image"]),
            "–" if pd.isna(row["task_name"]) else row["task_name"],
        ]
        for row in table.to_dict("records")
    ]
    blocks = {REFERENCES: [], **{title: list(rows.index) for title, rows in table.groupby("block", sort=False)}}
    competes = list(table["block"] != REFERENCES)
    mark_blocks(body, table, list(blocks.values()), competes, [1, *range(3, 3 + len(published))], 1, tasks, markup)
    names = [str(column).replace("ViT-", "") for column in published]
    headers = ["Method", "Average", "±", *names, "Shared (MB)", "Per task (MB)", "More per image (%)", "Task's name"]
    return [markup.plain(name) for name in headers], {
        title: [body[index] for index in rows] for title, rows in blocks.items()
    }
