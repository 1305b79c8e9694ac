"""Which files of this project a script's result depends on, read from its imports."""

import ast
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

PACKAGE = "remerge"


def source_files(script: str | Path, root: str | Path, without: Collection[str] = ()) -> list[Path]:
    """Return ``script`` and every module of the library it imports, directly or through others.

    Imports inside functions count too, so a module loaded lazily is found as long as it is named in an
    ``import`` statement.

    Args:
        script: The file to begin with, relative to ``root``.
        root: The folder that holds the library's package.
        without: Modules to leave out, and with them what only they import, as paths relative to ``root``.

    Returns:
        Paths relative to ``root``, sorted.
    """
    root = Path(root)
    found: set[Path] = set()
    waiting = [Path(script)]
    while waiting:
        path = waiting.pop()
        if path in found or path.as_posix() in without:
            continue
        found.add(path)
        for module in _imported_modules((root / path).read_text(encoding="utf-8")):
            waiting.extend(_files_of(module, root))
    return sorted(found)


@cache
def _imported_modules(code: str) -> list[str]:
    """Names of library modules in import statements; ``from a import b`` gives both ``a`` and ``a.b``."""
    found: list[str] = []
    for node in _executed(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found += [name for name in names if name.split(".")[0] == PACKAGE]
    return found


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but what stands under ``if TYPE_CHECKING:``, which never runs."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        yield child
        yield from _executed(child)


def _files_of(module: str, root: Path) -> Iterator[Path]:
    """The module's own file and the ``__init__`` of every package on the way to it."""
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        stem = Path(*parts[:depth])
        for candidate in (stem / "__init__.py", stem.with_suffix(".py")):
            if (root / candidate).is_file():
                yield candidate
