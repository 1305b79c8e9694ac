"""How Markdown and LaTeX mark things, and how text stays text in them."""

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Markup:
    """How one output format marks things.

    Attributes:
        best: The best of a column, ``{}`` being the number.
        second: The second best.
        plain: From text to what stands for it.
    """

    best: str
    second: str
    plain: Callable[[str], str]


# Underscores within a word, and ampersands that begin no entity, mean nothing in Markdown.
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
    # After the end of a row both would belong to it.
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
