"""Merge safetensors checkpoints and LoRA adapters by a data-free method.

A model is a safetensors file, or a folder with one or with several and their index. A
fine-tuned model may also be a LoRA adapter, the folder that PEFT's save_pretrained() wrote.
Tensors are merged in tiles, so together the models may be larger than memory. The result has
the files, names and dtypes of the pre-trained model; configuration and tokenizer are not
copied. Beside it lies merge-record.json: method, parameters, versions, and hashes of all files
that were read and written.

A merge can also be given as a file, in place of all options but --out. Paths in it are
relative to its folder. A record is such a file, and repeats its merge if the inputs are the same.

  method: ties
  parameters: {keep: 0.2, merge: mean, scaling: 1.0}
  pretrained: base/
  finetuned: [math/, code-lora/]
  dtype: bfloat16              # optional
  out: merged/
"""

import argparse
from collections.abc import Mapping
from dataclasses import MISSING
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from remerge.commands.merge_parameters import parameters_of, read_method
from remerge.commands.merge_plan import DTYPES, REQUIRED, MergePlan, read_plan
from remerge.errors import ParameterError
from remerge.methods import load
from remerge.methods.registry import algorithms_of_kind
from remerge.run.provenance import record_merge

USAGE = """\
remerge merge --method METHOD --pretrained PATH --finetuned PATH [PATH ...] --out FOLDER [--PARAMETER VALUE ...]
       remerge merge PLAN [--out FOLDER]"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    methods = algorithms_of_kind("rule")
    parser.usage = USAGE
    parser.add_argument("plan", metavar="PLAN", type=Path, nargs="?", help="a merge as a file: a plan or a record")
    parser.add_argument("--method", metavar="METHOD", choices=methods, help=f"how to merge: {', '.join(methods)}")
    parser.add_argument("--pretrained", metavar="PATH", type=Path, help="file or folder of the pre-trained model")
    parser.add_argument(
        "--finetuned", metavar="PATH", type=Path, nargs="+", help="file or folder of each fine-tuned model or adapter"
    )
    parser.add_argument("--dtype", choices=DTYPES, help="of the merged tensors (default: of the pre-trained ones)")
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        type=Path,
        help="folder for the merged checkpoint; beside a plan, it replaces the plan's",
    )
    of_methods = parser.add_argument_group("parameters of the method, each with the methods that have it")
    options: dict[str, dict[str, list[str]]] = {}
    for method in methods:
        for name, (parameter, kind) in parameters_of(method).items():
            default = "" if parameter.default is MISSING else f" (default: {parameter.default})"
            choices = f" ({', '.join(get_args(kind))})" if get_origin(kind) is Literal else ""
            text = f"{parameter.metadata['description']}{choices}{default}"
            options.setdefault(name, {}).setdefault(text, []).append(method)
    for name, texts in options.items():
        text = " ".join(f"{', '.join(those)}: {text}" for text, those in texts.items())
        of_methods.add_argument(f"--{name}", default=argparse.SUPPRESS, help=text.replace("%", "%%"))


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        RemergeError: An argument or the plan is at fault, or the checkpoints do not fit together.
    """
    given = {
        name: value for name, value in vars(arguments).items() if name not in ("command", "run") and value is not None
    }
    plan = _plan_in_file(given) if "plan" in given else _plan_of_options(given)
    plan.check_unchanged()
    _merge(plan)
    scaling = plan.method.parameters().get("scaling", 1.0)
    print(f"{plan.method.algorithm} of {len(plan.finetuned)} checkpoints, scaling {scaling:g}, in {plan.out}")


def _plan_in_file(given: Mapping[str, Any]) -> MergePlan:
    for name in given:
        if name not in ("plan", "out"):
            raise ParameterError(f"--{name}: not beside a plan; write it into {given['plan']}, or remove it")
    return read_plan(given["plan"], given.get("out"))


def _plan_of_options(given: dict[str, Any]) -> MergePlan:
    for name in REQUIRED:
        if name not in given:
            raise ParameterError(f"--{name}: missing; give a plan, or {', '.join(f'--{each}' for each in REQUIRED)}")
    shared = {name: given.pop(name) for name in (*REQUIRED, "dtype") if name in given}
    method = read_method(shared.pop("method"), given, "--", Path.cwd())
    return MergePlan(method=method, finetuned=tuple(shared.pop("finetuned")), **shared)


def _merge(plan: MergePlan) -> None:
    """Merge, and write the record last."""
    import torch

    from remerge.checkpoints.sets import CheckpointSet
    from remerge.merging.checkpoints import merge_checkpoints

    read = merge_checkpoints(
        partial(load(plan.method.algorithm).merge_rule, **plan.method.merging_parameters()),
        plan.pretrained,
        plan.finetuned,
        plan.out,
        scaling=plan.method.parameters().get("scaling", 1.0),
        dtype=getattr(torch, plan.dtype) if plan.dtype else None,
    )
    inputs = [*read, *(Path(file) for file in plan.method.files)]
    record_merge(plan.out, plan.as_read_from(plan.out), inputs, CheckpointSet(plan.out).files)
