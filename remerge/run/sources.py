"""The source files that a script's result depends on, determined from its imports."""

import ast
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = "remerge"


def read_source(place: str | Path, root: Path) -> str:
    """Return the code of a file, or the part of it that one of its functions or constants needs.

    Args:
        place: ``file.py`` or ``file.py:name``, relative to ``root``. For a name, only the top-level statements that it
            needs, directly or indirectly, are returned.
        root: The folder that holds the library's package.

    Raises:
        ValueError: The file does not define the name.
    """
    file, _, name = Path(place).as_posix().partition(":")
    code = (root / file).read_text(encoding="utf-8")
    if not name:
        return code
    if needed := _needed_by(name, code):
        return needed
    raise ValueError(f"{file}: defines no {name}")


@cache
def _needed_by(name: str, code: str) -> str:
    body = ast.parse(code).body
    binding = [_bound(statement) for statement in body]
    if not any(name in names for names in binding):
        return ""
    needed, kept = {name}, set[int]()
    while more := {place for place, names in enumerate(binding) if not names or names & needed} - kept:
        kept |= more
        needed |= {node.id for place in more for node in ast.walk(body[place]) if isinstance(node, ast.Name)}
    return ast.unparse(ast.Module([body[place] for place in sorted(kept)], []))


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a top-level statement defines; none if the statement is always needed."""
    match statement:
        case ast.FunctionDef() | ast.ClassDef():
            return {statement.name}
        case ast.Import() | ast.ImportFrom():
            return {alias.asname or alias.name.split(".")[0] for alias in statement.names}
        case ast.Assign() | ast.AnnAssign():
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    return set()


def source_files(script: str | Path, root: str | Path, without: Collection[str] = ()) -> list[Path]:
    """Return ``script`` and every module of the library it imports, directly or indirectly.

    Imports inside functions count too, so lazily loaded modules are included if an ``import`` statement names them.

    Args:
        script: Where to start, as for :func:`read_source`.
        root: The folder that holds the library's package.
        without: Modules to leave out, along with what only they import, as paths relative to ``root``.

    Returns:
        Paths relative to ``root``, sorted; ``script`` as given.
    """
    root = Path(root)
    found: set[Path] = set()
    waiting = [Path(script)]
    while waiting:
        path = waiting.pop()
        if path in found or path.as_posix() in without:
            continue
        found.add(path)
        for module in _imported_modules(read_source(path, root)):
            waiting.extend(_files_of(module, root))
    return sorted(found)


@cache
def _imported_modules(code: str) -> list[str]:
    """Names of library modules in import statements; ``from a import b`` gives both ``a`` and ``a.b``."""
    found: list[str] = []
    for node in _executed(ast.parse(code).body):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found += [name for name in names if name.split(".")[0] == PACKAGE]
    return found


def _executed(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements except those under ``if TYPE_CHECKING:``, which never run."""
    for statement in statements:
        if isinstance(statement, ast.If) and getattr(statement.test, "id", "") == "TYPE_CHECKING":
            continue
        yield statement
        for part in (statement, *getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
            for block in ("body", "orelse", "finalbody"):
                yield from _executed(getattr(part, block, ()))


# Every rule asks for the same modules, which neither come nor go while the workflow is planned.
@cache
def _files_of(module: str, root: Path) -> tuple[Path, ...]:
    """The module's file and the ``__init__`` of every package above it."""
    parts = module.split(".")
    stems = [Path(*parts[:depth]) for depth in range(1, len(parts) + 1)]
    candidates = [path for stem in stems for path in (stem / "__init__.py", stem.with_suffix(".py"))]
    return tuple(candidate for candidate in candidates if (root / candidate).is_file())
