"""Folders of the library import only from those below them, in the order that CONTRIBUTING.md gives."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "remerge"
# What users of the library import may import anything, and anything may raise errors.
LOOSE = {"__init__", "__main__", "models", "errors"}


def order() -> list[set[str]]:
    """The folders in the order of CONTRIBUTING.md, those that may import most first."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("Imports run one way.")[1].split("\n## ")[0]
    return [set(re.findall(r"`(\w+)`", line)) for line in re.findall(r"^\d+\. (.*)$", text, re.MULTILINE)]


def folders() -> set[str]:
    return {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those under ``if TYPE_CHECKING:``."""
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")):
            yield child
            yield from executed(child)


def imported(code: str) -> set[str]:
    """The folders and loose modules of the library that code imports, inside functions too."""
    names: set[str] = set()
    for node in executed(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "relative imports hide where they lead"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("remerge.")}


def arrows() -> dict[tuple[str, str], str]:
    """Which folder imports which, with a file that does."""
    return {
        (folder, other): path.relative_to(ROOT).as_posix()
        for folder in sorted(folders())
        for path in sorted((PACKAGE / folder).rglob("*.py"))
        for other in imported(path.read_text(encoding="utf-8"))
        if other in folders() and other != folder
    }


def test_imports_are_found_wherever_they_stand() -> None:
    code = """
from typing import TYPE_CHECKING
import remerge.run.logs
from remerge import images
if TYPE_CHECKING:
    from remerge.doctor import gpu
def late():
    from remerge.clip.heads import logits
"""
    assert imported(code) == {"run", "images", "clip"}


def test_the_order_names_every_folder_once() -> None:
    named = [folder for level in order() for folder in sorted(level)]
    assert sorted(named) == sorted(folders())
    assert {path.stem for path in PACKAGE.glob("*.py")} == LOOSE


def test_folders_import_from_those_below_alone() -> None:
    level = {folder: depth for depth, names in enumerate(order()) for folder in names}
    wrong = {
        f"{path}: {folder} imports {other}"
        for (folder, other), path in arrows().items()
        if level[folder] >= level[other]
    }
    assert not wrong


def test_errors_import_nothing_of_the_library() -> None:
    assert not imported((PACKAGE / "errors.py").read_text(encoding="utf-8"))
