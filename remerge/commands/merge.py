"""Merge safetensors checkpoints of any size by a data-free method.

A checkpoint is a file, or a folder of several files with an index. They are merged tile
by tile, so together they may be larger than memory.
"""

import argparse
import json
import math
import operator
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, fields
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from remerge.errors import ParameterError
from remerge.methods import load
from remerge.methods.parameters import Around, Method, parameters_in
from remerge.methods.registry import algorithms_of_kind

BOUNDS = {
    "gt": (operator.gt, "greater than"),
    "ge": (operator.ge, "at least"),
    "lt": (operator.lt, "less than"),
    "le": (operator.le, "at most"),
}
KINDS = {float: "a number", int: "a whole number", dict: 'a mapping, such as {"times": 2}'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command line may say."""
    methods = algorithms_of_kind("rule")
    parser.add_argument("--method", choices=methods, required=True, help="how to merge")
    parser.add_argument(
        "--pretrained", metavar="PATH", type=Path, required=True, help="file or folder of the common starting point"
    )
    parser.add_argument(
        "--finetuned", metavar="PATH", type=Path, nargs="+", required=True, help="the same of each task's model"
    )
    parser.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="folder for the merged checkpoint")
    options: dict[str, dict[str, list[str]]] = {}
    for method in methods:
        for name, (parameter, kind) in _parameters(method).items():
            default = "" if parameter.default is MISSING else f" (default: {parameter.default})"
            choices = f" ({', '.join(get_args(kind))})" if get_origin(kind) is Literal else ""
            text = f"{parameter.metadata['description']}{choices}{default}"
            options.setdefault(name, {}).setdefault(text, []).append(method)
    for name, texts in options.items():
        text = " ".join(f"{', '.join(those)}: {text}" for text, those in texts.items())
        parser.add_argument(f"--{name}", default=argparse.SUPPRESS, help=text.replace("%", "%%"))


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line says.

    Raises:
        RemergeError: An argument does not fit the method, or the checkpoints do not fit together.
    """
    from remerge.merging.checkpoints import merge_checkpoints

    given = vars(arguments)
    for name in ("command", "run"):
        given.pop(name)
    method, pretrained, finetuned, out = (given.pop(name) for name in ("method", "pretrained", "finetuned", "out"))
    module, values = load(method), _values(method, given, "--")
    parameters = parameters_in(module)(label=method, algorithm=method, **values)
    scaling = parameters.parameters().get("scaling", 1.0)
    merge_rule = partial(module.merge_rule, **parameters.merging_parameters())
    merge_checkpoints(merge_rule, pretrained, finetuned, out, scaling=scaling)
    print(f"{method} of {len(finetuned)} checkpoints, scaling {scaling:g}, in {out}")


def _parameters(method: str) -> dict[str, tuple[Field[Any], Any]]:
    """A method's parameters and their types, by name."""
    data_class, shared = parameters_in(load(method)), {each.name for each in fields(Method)}
    hints = get_type_hints(data_class)
    return {each.name: (each, hints[each.name]) for each in fields(data_class) if each.name not in shared}


def _values(method: str, given: Mapping[str, str], before: str, without: Collection[str] = ()) -> dict[str, Any]:
    """Read the texts of a method's parameters.

    Args:
        method: Its algorithm.
        given: Texts by the parameters' names.
        before: What stands before a name in messages.
        without: Parameters that it has not got here.
    """
    known = {name: parameter for name, parameter in _parameters(method).items() if name not in without}
    for name in given:
        if name not in known:
            raise ParameterError(f"{before}{name}: {method} has none; remove it")
    for name, (parameter, _) in known.items():
        if name not in given and parameter.default is MISSING and parameter.default_factory is MISSING:
            raise ParameterError(f"{before}{name}: missing; {method} needs it")
    return {name: _value(*known[name], text, before + name) for name, text in given.items()}


def _value(parameter: Field[Any], kind: Any, text: str, option: str) -> Any:
    """Read a parameter's text; where it may be a number or something else, it is a number."""
    if kind is Around:
        return _wrapped(text, option)
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
    for bound, (holds, words) in BOUNDS.items():
        if bound in parameter.metadata and not holds(value, limit := parameter.metadata[bound]):
            raise ParameterError(f"{option}: must be {words} {limit:g}, got {text}")
    return value


def _wrapped(text: str, option: str) -> dict[str, Any]:
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
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
    data_class = parameters_in(load(algorithm))
    return {"algorithm": algorithm, **_values(algorithm, texts, f"{option}: ", data_class.beside_merging)}
