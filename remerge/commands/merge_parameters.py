"""A method's parameters as they are given in text, on a command line or in a file: read and checked by their types."""

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from remerge.errors import ParameterError
from remerge.methods import load
from remerge.methods.parameters import Around, InputPath, Method, out_of_bounds, parameters_in
from remerge.methods.registry import algorithms_of_kind

KINDS = {float: "a number", int: "a whole number", dict: 'a mapping, such as {"times": 2}'}


def parameters_of(method: str) -> dict[str, tuple[Field[Any], Any]]:
    """Return a method's parameters and their types, by name."""
    data_class, shared = parameters_in(load(method)), {each.name for each in fields(Method)}
    hints = get_type_hints(data_class)
    return {each.name: (each, hints[each.name]) for each in fields(data_class) if each.name not in shared}


def read_method(method: str, given: Mapping[str, Any], before: str, folder: Path) -> Method:
    """Return a method with the parameters that are given.

    Args:
        method: Its algorithm.
        given: By name, texts or the values that they stand for.
        before: What stands before a name in messages, such as ``--``.
        folder: What the paths of files are relative to.

    Raises:
        ParameterError: One is unknown, missing, of another type or out of bounds; the message names it.
    """
    return parameters_in(load(method))(label=method, algorithm=method, **_values(method, given, before, folder))


def _values(
    method: str, given: Mapping[str, Any], before: str, folder: Path, without: Collection[str] = ()
) -> dict[str, Any]:
    """Read a method's parameters, of which some are not asked for here."""
    known = {name: parameter for name, parameter in parameters_of(method).items() if name not in without}
    for name in given:
        if name not in known:
            raise ParameterError(f"{before}{name}: {method} has none; remove it")
    for name, (parameter, _) in known.items():
        if name not in given and parameter.default is MISSING and parameter.default_factory is MISSING:
            raise ParameterError(f"{before}{name}: missing; {method} needs it")
    return {name: _value(*known[name], _text(value), before + name, folder) for name, value in given.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _value(parameter: Field[Any], kind: Any, text: str, option: str, folder: Path) -> Any:
    """Read a parameter's text; where it may be a number or something else, it is a number."""
    if kind is Around:
        return _wrapped(text, option, folder)
    if kind is InputPath:
        return str(folder.absolute() / text)
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ParameterError(f"{option}: must be {' or '.join(get_args(kind))}, got {text!r}")
        return text
    wanted = next((each for each in (kind, get_origin(kind), *get_args(kind)) if each in KINDS), None)
    if wanted is None:
        return text
    try:
        value = json.loads(text) if wanted is dict else wanted(text)
    except ValueError:
        value = None
    if not isinstance(value, wanted) or (wanted is float and not math.isfinite(value)):
        raise ParameterError(f"{option}: must be {KINDS[wanted]}, got {text!r}")
    if bound := out_of_bounds(parameter, value):
        raise ParameterError(f"{option}: must be {bound}, got {text}")
    return value


def _wrapped(text: str, option: str, folder: Path) -> dict[str, Any]:
    """Read the method that a plug-in wraps: the name of an algorithm, or that and its parameters in JSON."""
    try:
        given = json.loads(text)
    except ValueError:
        given = {"algorithm": text}
    methods = algorithms_of_kind("rule")
    if not isinstance(given, dict) or given.get("algorithm") not in methods:
        known = ", ".join(methods)
        raise ParameterError(
            f'{option}: must be one of {known}, or such as {{"algorithm": "ties", "keep": 0.1}}, got {text!r}'
        )
    algorithm = given.pop("algorithm")
    without = parameters_in(load(algorithm)).beside_merging
    return {"algorithm": algorithm, **_values(algorithm, given, f"{option}: ", folder, without)}
