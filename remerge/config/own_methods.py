"""Checks of the files of user-written methods, without running them, before the first job starts."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from remerge.config.wording import Fault, Location, did_you_mean


def faults_of(location: Location, method: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with a method's file and arguments.

    Args:
        location: The method's place in the configuration.
        method: Its keys, as written; ``file`` is text.
    """
    file = Path(method["file"])
    try:
        code = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        yield (*location, "file"), f"{file}: cannot be read: {error}"
        return
    except (SyntaxError, ValueError) as error:
        yield (*location, "file"), f"{file}: not Python: {error}"
        return
    rule = next((node for node in code.body if isinstance(node, ast.FunctionDef) and node.name == "merge_rule"), None)
    if rule is None or not [*rule.args.posonlyargs, *rule.args.args]:
        yield (*location, "file"), f"{file}: defines no merge_rule(task_vectors, ...); see CONTRIBUTING.md"
        return
    given = method.get("arguments", {})
    if isinstance(given, Mapping):
        yield from _in_arguments((*location, "arguments"), rule.args, [str(name) for name in given])


def _in_arguments(location: Location, known: ast.arguments, given: list[str]) -> Iterator[Fault]:
    first, *plain = [argument.arg for argument in (*known.posonlyargs, *known.args)]
    of_name = [argument.arg for argument in known.kwonlyargs]
    required = plain[: len(plain) - len(known.defaults)] if known.defaults else plain
    required += [name for name, default in zip(of_name, known.kw_defaults, strict=True) if default is None]
    for name in given:
        if name == first:
            yield (*location, name), "is what the task vectors are passed as; remove it"
        elif name not in (*plain, *of_name) and known.kwarg is None:
            yield (*location, name), f"unknown argument; {did_you_mean(name, [*plain, *of_name])}"
    for name in required:
        if name not in given:
            yield (*location, name), "missing; the file's merge_rule has no default for it"
