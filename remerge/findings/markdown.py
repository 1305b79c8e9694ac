"""Tables in Markdown, taken apart, so that the report can lay them out: headers, cells and the text around them."""

import re
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup

_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")
_TAG = re.compile(r"<[^>]*>")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its HTML, and its number if it begins with one, such as ``71.5 (7/8)``."""

    html: Markup

    @property
    def number(self) -> float | None:
        """The number that the cell shows."""
        found = _NUMBER.match(_TAG.sub("", self.html))
        return float(found[0]) if found else None


@dataclass(frozen=True)
class Table:
    """A table: what stands before it, its headers, its rows, and the notes below it."""

    before: Markup
    headers: list[Markup]
    rows: list[list[Cell]]
    notes: Markup


def read_table(text: str) -> Table:
    """Take a table in Markdown apart; a file without a table is all notes.

    Args:
        text: Paragraphs and at most one table, of which this project escaped every name.
    """
    tokens = _MARKDOWN.parse(text)
    kinds = [token.type for token in tokens]
    if "table_open" not in kinds:
        return Table(Markup(), [], [], _html(tokens))
    start, end = kinds.index("table_open"), kinds.index("table_close")
    headers: list[Markup] = []
    rows: list[list[Cell]] = []
    for index in range(start, end):
        if kinds[index] == "th_open":
            headers.append(_html(tokens[index + 1 : index + 2]))
        elif kinds[index] == "tr_open" and headers:
            rows.append([])
        elif kinds[index] == "td_open":
            rows[-1].append(Cell(_html(tokens[index + 1 : index + 2])))
    return Table(_html(tokens[:start]), headers, rows, _html(tokens[end + 1 :]))


def _html(tokens: list[Any]) -> Markup:
    # The tables' writers escape what is not theirs (remerge/run/markup.py).
    return Markup(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))
