"""The main table as the report draws it, and averages across pools and suites."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup, escape

from remerge.findings.markdown import Cell, Table
from remerge.findings.section import Section

AVERAGES = ("Average", "Worst task", "Spread", "Normalised")
NO_BAR = "Spread"
"""The one that is not an accuracy."""


@dataclass(frozen=True)
class Bar(Cell):
    """A percentage that is drawn as a bar, with a tick where the experts are."""

    expert: float | None = None


@dataclass(frozen=True)
class Shaded(Table):
    """A table whose averages stand first.

    Attributes:
        references: Whether each row is a reference: an encoder that is no merge.
        kinds: What each column is: ``name``, ``average``, ``task`` or ``text``.
    """

    references: list[bool]
    kinds: list[str]


def main_as_figure(table: Table, section: Section) -> Shaded:
    """Return the main table with averages first and with bars.

    Args:
        table: The table in Markdown.
        section: The section that it is of.
    """
    names = [str(header.striptags()) for header in table.headers]
    of = dict.fromkeys(section.tasks, "task") | dict.fromkeys(AVERAGES, "average")
    kinds = ["name", *(of.get(name, "text") for name in names[1:])]
    order = sorted(range(len(names)), key=lambda index: ("name", "average", "task", "text").index(kinds[index]))
    experts = section.main[section.main["algorithm"] == "individual"] if len(section.main) else section.main
    ticks = dict(experts.iloc[0].dropna()) if len(experts) else {}
    worst = min((ticks[task] for task in section.tasks if task in ticks), default=None)
    ticks |= {"Average": ticks.get("average"), "Worst task": worst, "Normalised": 100.0 if len(experts) else None}
    rows = [
        [
            Bar(row[index].html, ticks.get(names[index]))
            if kinds[index] in ("average", "task") and names[index] != NO_BAR
            else row[index]
            for index in order
        ]
        for row in table.rows
    ]
    competing = iter([row.competes for row in section.rows.values()])
    references = [any(cell.html for cell in row[1:]) and not next(competing, True) for row in table.rows]
    headers = [table.headers[index] for index in order]
    return Shaded(table.before, headers, rows, table.notes, references, [kinds[index] for index in order])


def across_sections(sections: Sequence[Section]) -> Table:
    """Return the average of every method in every section, the best merged encoder of each in bold."""
    labels = list(dict.fromkeys(label for section in sections for label in section.labels.values()))
    columns = [_averages(section) for section in sections]
    rows = [[Cell(escape(label)), *(column.get(label, Cell(Markup("–"))) for column in columns)] for label in labels]
    headers = [Markup("Method"), *(escape(f"{section.pool}, {section.suite}") for section in sections)]
    notes = Markup("<p>Average accuracy over tasks in percent; the best merged encoder of each column is bold.</p>")
    return Table(Markup(), headers, rows, notes)


def _averages(section: Section) -> dict[str, Cell]:
    merged = section.merged()
    best = set(merged.loc[merged["average"].round(1) == merged["average"].round(1).max(), "id"])
    told = {}
    for row in section.main.to_dict("records"):
        fewer = f" ({row['tasks']:g}/{len(section.tasks)})" if row["tasks"] < len(section.tasks) else ""
        number = f"{row['average']:.1f}" if pd.notna(row["average"]) else "–"
        html = Markup("<strong>{}</strong>") if row["id"] in best else Markup("{}")
        told[str(row["method"])] = Cell(html.format(number) + fewer)
    return told
