"""Emphasis and escaping in Markdown and LaTeX."""

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Markup:
    """The markup of one output format.

    Attributes:
        best: Format of the best number of a column; ``{}`` is the number.
        second: Format of the second best.
        plain: Escapes plain text.
    """

    best: str
    second: str
    plain: Callable[[str], str]


# Underscores within a word, and ampersands that do not start an entity, mean nothing in Markdown.
_MARKDOWN = re.compile(r"[\\`*<>\[\]|~$]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
_LATEX = {
    "&": r"\&",
    "%": r"\%",
    "_": r"\_",
    "#": r"\#",
    "$": r"\$",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # At the start of a row, either would be read as an argument of the line break before it.
    "[": "{[}",
    "*": "{*}",
    "±": r"$\pm$",
    "–": "--",
}


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(lambda found: f"\\{found[0]}", text)


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


MARKDOWN = Markup("**{}**", "<u>{}</u>", _markdown)
LATEX = Markup(r"\textbf{{{}}}", r"\underline{{{}}}", _latex)
