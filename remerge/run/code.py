"""A digest of the code behind a stage: it changes when behaviour may change, but not when only prose changes."""

import ast
import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from remerge.run.sources import read_source, source_files

BOOKKEEPING = (
    "remerge/__init__.py",  # the version, and names for users of the library
    "remerge/errors.py",  # error types; a job that raises one makes nothing
    "remerge/run/heartbeat.py",  # writes to standard error and log files
    "remerge/run/job.py",  # passes on what Snakemake gives a script, and keeps log and records
    "remerge/run/logs.py",  # writes to standard error and log files
    "remerge/run/progress.py",  # passes items through unchanged, and writes to standard error
    "remerge/run/provenance.py",  # writes records next to results, and refuses damaged inputs
)
"""Modules that no digest covers, because nothing that their functions return affects a result."""

# Keyword arguments of progress bars and settings that are only displayed.
SHOWN = {"ProgressBar": {"desc", "unit"}, "Field": {"description"}, "parameter": {"description"}}


def code_digest(scripts: Iterable[str | Path], root: str | Path) -> str:
    """Return the SHA-256 of the syntax trees of scripts and the library modules they import.

    It does not depend on comments, docstrings, formatting, the order of imports, annotations outside classes, the text
    of messages, errors and field descriptions, the modules of :data:`BOOKKEEPING`, or the version of Python.

    Args:
        scripts: Files relative to ``root``, or functions of files, as for :func:`remerge.run.sources.read_source`.
        root: The folder that holds the library's package.
    """
    root = Path(root)
    files = {path.as_posix() for script in scripts for path in source_files(script, root, without=BOOKKEEPING)}
    digests = {name: _digest(read_source(name, root)) for name in sorted(files)}
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


@cache
def _digest(text: str) -> str:
    tree = ast.parse(text)
    names = _names(tree)
    bare = _WithoutWords().visit(tree)
    _sort_imports(bare, names - _names(bare))
    return hashlib.sha256(_written(bare).encode()).hexdigest()


class _WithoutWords(ast.NodeTransformer):
    """Removes what only readers and type checkers need."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant) or _is_message(node.value):
            return None
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
            node.cause = None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = _called(node)
        if name.endswith("Error"):
            node.args, node.keywords = [], []
        else:
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in SHOWN.get(name, ())]
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        # Annotations define the fields of data classes and how models validate them.
        kept = [statement for statement in node.body if isinstance(statement, ast.AnnAssign)]
        node.body = [statement for statement in node.body if statement not in kept]
        self.generic_visit(node)
        for statement in kept:
            if statement.value is not None:
                statement.value = self.visit(statement.value)
        node.body += kept
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return self.generic_visit(ast.Assign([node.target], node.value))


def _called(node: ast.Call) -> str:
    """The last part of a called function's name."""
    return getattr(node.func, "id", getattr(node.func, "attr", ""))


def _is_message(node: ast.expr) -> bool:
    """Whether an expression prints to standard output or error, which affects no result."""
    if not isinstance(node, ast.Call) or _called(node) != "print":
        return False
    return all(ast.unparse(keyword.value) == "sys.stderr" for keyword in node.keywords if keyword.arg == "file")


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _sort_imports(tree: ast.Module, dropped: set[str]) -> None:
    """Sort a module's imports, and drop those of names that only readers see."""
    imports = [statement for statement in tree.body if isinstance(statement, ast.Import | ast.ImportFrom)]
    for statement in imports:
        statement.names = [
            alias for alias in statement.names if (alias.asname or alias.name.split(".")[0]) not in dropped
        ]
        statement.names.sort(key=lambda alias: (alias.name, alias.asname or ""))
    rest = [statement for statement in tree.body if statement not in imports]
    tree.body = [*sorted((statement for statement in imports if statement.names), key=_written), *rest]


def _written(value: Any) -> str:
    """A syntax tree as text, without fields that some Python versions add and this code does not use."""
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    if not isinstance(value, ast.AST):
        return repr(value)
    fields = [
        f"{name}={_written(field)}"
        for name, field in ast.iter_fields(value)
        if name not in ("ctx", "kind", "type_comment") and field is not None and field != []
    ]
    return f"{type(value).__name__}({','.join(fields)})"
