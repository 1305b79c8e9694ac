"""A merge of checkpoints as data, read from a file: a plan that a user wrote, or the record of an earlier merge.

A plan is YAML, with the options of ``remerge merge`` as keys::

    method: ties
    parameters: {keep: 0.2, merge: mean, scaling: 1.0}
    pretrained: base/
    finetuned: [math/, code-lora/]
    dtype: bfloat16
    out: merged/

Paths are relative to the file's folder. A record (:func:`remerge.run.provenance.record_merge`) holds the plan of its
merge, with every parameter.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remerge.commands.merge_parameters import read_method
from remerge.errors import ConfigError, RemergeError
from remerge.methods.parameters import Method
from remerge.methods.registry import algorithms_of_kind
from remerge.run.provenance import RULE_OF_MERGES, sha256_of

DTYPES = ("float32", "bfloat16", "float16")
KEYS = ("method", "parameters", "pretrained", "finetuned", "dtype", "out")
REQUIRED = ("method", "pretrained", "finetuned", "out")


@dataclass(frozen=True, kw_only=True)
class MergePlan:
    """What to merge, how, and where to write the result.

    Attributes:
        method: The method with its parameters.
        pretrained: The pre-trained model.
        finetuned: The fine-tuned models, one per task.
        out: The folder of the result.
        dtype: What floating-point tensors are written in, one of :data:`DTYPES`; None for that of the pre-trained.
        expected: SHA-256 of the files to be read, if the plan is that of a record.
    """

    method: Method
    pretrained: Path
    finetuned: tuple[Path, ...]
    out: Path
    dtype: str | None = None
    expected: Mapping[Path, str] = field(default_factory=dict)

    def as_read_from(self, folder: Path) -> dict[str, Any]:
        """Return the plan as the content of a file in a folder."""

        def relative(path: Path) -> str:
            return Path(os.path.relpath(path, folder)).as_posix()

        return {
            "method": self.method.algorithm,
            "parameters": self.method.parameters(),
            "pretrained": relative(self.pretrained),
            "finetuned": [relative(path) for path in self.finetuned],
            "dtype": self.dtype,
            "out": relative(self.out),
        }

    def check_unchanged(self) -> None:
        """Refuse to repeat a recorded merge with other inputs.

        Raises:
            RemergeError: A file is missing or has changed since; the message names it.
        """
        for path, digest in self.expected.items():
            if not path.is_file():
                raise RemergeError(f"{path}: no such file, but the recorded merge read it; put it back")
            if sha256_of(path) != digest:
                raise RemergeError(
                    f"{path}: has changed since the recorded merge; put it back, or write a plan for a new merge"
                )


def read_plan(path: Path, out: Path | None = None) -> MergePlan:
    """Read a plan or a record.

    Args:
        path: The file: JSON if that is its suffix, else YAML.
        out: A folder for the result, in place of the file's.

    Raises:
        ConfigError: The file cannot be read, or a key is unknown, missing or of another type; the message names file,
            key and remedy.
        ParameterError: A parameter does not fit the method.
    """
    content, recorded = _without_record(path, _read(path))
    given = {key: value for key, value in content.items() if value is not None}
    if out is not None:
        given["out"] = str(out)
    _check_keys(path, given)
    return MergePlan(
        method=read_method(given["method"], given.get("parameters", {}), f"{path}: parameters.", path.parent),
        pretrained=path.parent / given["pretrained"],
        finetuned=tuple(path.parent / each for each in given["finetuned"]),
        out=out or path.parent / given["out"],
        dtype=given.get("dtype"),
        expected={Path(os.path.normpath(path.parent / name)): digest for name, digest in recorded.items()},
    )


def _read(path: Path) -> dict[str, Any]:
    if path.suffix != ".json":
        from remerge.run.strict_yaml import read_yaml

        return read_yaml(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected keys and values at the top, got {type(content).__name__}")
    return content


def _without_record(path: Path, content: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """A plan, and the hashes of its inputs if it comes from a record."""
    if content.get("rule") != RULE_OF_MERGES:
        return content, {}
    plan, inputs = content.get("parameters"), content.get("inputs")
    if not isinstance(plan, dict) or not isinstance(inputs, dict):
        raise ConfigError(f"{path}: not the whole record of a merge; write a plan instead")
    return plan, inputs


def _check_keys(path: Path, given: Mapping[str, Any]) -> None:
    for key in given:
        if key not in KEYS:
            raise ConfigError(f"{path}: {key}: unknown key; remove it, or choose from {', '.join(KEYS)}")
    for key in REQUIRED:
        if key not in given:
            raise ConfigError(f"{path}: {key}: missing; add it")
    methods = algorithms_of_kind("rule")
    finetuned = given["finetuned"]
    right = {
        "method": (given["method"] in methods, f"one of {', '.join(methods)}"),
        "parameters": (isinstance(given.get("parameters", {}), dict), "a mapping, such as {keep: 0.2}"),
        "pretrained": (isinstance(given["pretrained"], str), "the path of a file or folder"),
        "finetuned": (
            isinstance(finetuned, list) and finetuned and all(isinstance(each, str) for each in finetuned),
            "a list of paths, such as [math/, code/]",
        ),
        "dtype": (given.get("dtype", DTYPES[0]) in DTYPES, f"one of {', '.join(DTYPES)}"),
        "out": (isinstance(given["out"], str), "the path of a folder"),
    }
    for key, (is_right, expected) in right.items():
        if not is_right:
            raise ConfigError(f"{path}: {key}: must be {expected}, got {given[key]!r}")
