"""CONTRIBUTING.md's recipes: their code blocks, and files that follow them."""

import re
import textwrap
from pathlib import Path

from project import ROOT

BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def blocks(title: str, language: str) -> list[str]:
    """The code blocks of one section, in one language."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, title
    return [textwrap.dedent(code) for name, code in BLOCK.findall(section[1]) if name == language]


def write_module(folder: Path, code: str) -> None:
    """Write a module, or what it adds to a registry, to the file that its first line names."""
    path = folder / code.splitlines()[0].removeprefix("# ")
    if not path.exists():
        path.write_text(code, encoding="utf-8")
        return
    begin, entry, end = re.fullmatch(r"# .*?\n(.*?\n)    \.\.\.\n(.*\n)(.*\n)", code, re.DOTALL).groups()  # type: ignore[union-attr]
    head, rest = path.read_text(encoding="utf-8").split(begin)
    body, tail = rest.split(f"\n{end}", 1)
    path.write_text(f"{head}{begin}{body}\n{entry}{end}{tail}", encoding="utf-8")
