"""Merge safetensors checkpoints of any size by a data-free method.

A checkpoint is a file, or a folder of several files with an index. They are merged tile
by tile, so together they may be larger than memory.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from remerge.errors import RemergeError
from remerge.methods import load
from remerge.methods.registry import algorithms_of_kind

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command line may say."""
    parser.add_argument("--method", choices=algorithms_of_kind("rule"), required=True, help="how to merge")
    parser.add_argument(
        "--pretrained", metavar="PATH", type=Path, required=True, help="file or folder of the common starting point"
    )
    parser.add_argument(
        "--finetuned", metavar="PATH", type=Path, nargs="+", required=True, help="the same of each task's model"
    )
    parser.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="folder for the merged checkpoint")
    # They are read from pydantic models, which no other command needs.
    if sys.argv[1:2] == ["merge"]:
        _add_parameters(parser)


def _add_parameters(parser: argparse.ArgumentParser) -> None:
    """Add an option for every parameter of some method."""
    from remerge.methods.parameters import Method, parameters_in

    options: dict[str, dict[str, FieldInfo]] = {}
    for method in algorithms_of_kind("rule"):
        for name, field in parameters_in(load(method)).model_fields.items():
            if name not in Method.model_fields:
                options.setdefault(name, {})[method] = field
    for name, fields in options.items():
        told: dict[str, list[str]] = {}
        for method, field in fields.items():
            default = "" if field.is_required() else f" (default: {field.default})"
            told.setdefault(f"{field.description}{default}", []).append(method)
        annotations = {field.annotation for field in fields.values()}
        annotation = annotations.pop() if len(annotations) == 1 else None
        choices = get_args(annotation) if get_origin(annotation) is Literal else None
        parser.add_argument(
            f"--{name}",
            choices=choices,
            type=str if choices or annotation is str else _value,
            default=argparse.SUPPRESS,
            help=" ".join(f"{', '.join(methods)}: {text}" for text, methods in told.items()).replace("%", "%%"),
        )


def _value(text: str) -> Any:
    """Read a number or JSON; what is neither is left for the model to refuse."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line says.

    Raises:
        RemergeError: An argument does not fit the method, or the checkpoints do not fit together.
    """
    from pydantic import ValidationError

    from remerge.merging.checkpoints import merge_checkpoints
    from remerge.methods.parameters import parameters_in

    given = vars(arguments)
    for name in ("command", "run"):
        given.pop(name)
    method, pretrained, finetuned, out = (given.pop(name) for name in ("method", "pretrained", "finetuned", "out"))
    module = load(method)
    model = parameters_in(module)
    for name in given:
        if name not in model.model_fields:
            raise RemergeError(f"--{name}: {method} has none; remove it")
    try:
        parameters = model.model_validate({"label": method, "algorithm": method, **given})
    except ValidationError as error:
        faults = [f"--{fault['loc'][0]}: {fault['msg']}" for fault in error.errors()]
        raise RemergeError("; ".join(faults)) from error
    if parameters.is_tuned:
        raise RemergeError("--scaling: must be a number; nothing is scored here that it could be tuned on")
    scaling = parameters.parameters().get("scaling", 1.0)
    merge_rule = partial(module.merge_rule, **parameters.merging_parameters())
    merge_checkpoints(merge_rule, pretrained, finetuned, out, scaling=scaling)
    print(f"{method} of {len(finetuned)} checkpoints, scaling {scaling:g}, in {out}")
