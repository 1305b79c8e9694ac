"""The configuration: read, checked as a whole, and every fault told at once, before anything runs."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from remerge.config.files import read_yaml
from remerge.config.models import RESERVED_TASKS, Config, FolderTask, Method, Strict, Tune
from remerge.config.reference import keys_at
from remerge.errors import ConfigError
from remerge.merging.registry import ALGORITHMS
from remerge.tasks import MINI_TASKS

__all__ = ["Config", "FolderTask", "Method", "Strict", "Tune", "load_config"]

Location = tuple[str | int, ...]


def load_config(values: Mapping[str, Any], files: Sequence[Path] = ()) -> Config:
    """Check a configuration.

    Args:
        values: The configuration after all files and the command line were laid over each other.
        files: The files it came from, later ones over earlier ones; faults are told with the file's name.

    Raises:
        ConfigError: Something is wrong; the message has a line per fault with file, key and remedy.
    """
    contents = {path: read_yaml(path) for path in files}
    try:
        config = Config.model_validate(dict(values))
    except ValidationError as error:
        faults = [_in_words(details) for details in error.errors(include_url=False)]
    else:
        faults = list(_contradictions(config))
    if faults:
        lines = [f"{_origin(location, contents)}: {text}" for location, text in faults]
        raise ConfigError("the configuration cannot be run:\n  " + "\n  ".join(lines))
    return config


def _origin(location: Location, contents: Mapping[Path, Any]) -> str:
    """The dotted key, behind the name of the last file that sets it or, if none does, what it belongs to."""
    dotted = ".".join(map(str, location))
    for depth in range(len(location), 0, -1):
        for path in reversed(list(contents)):
            if _has(contents[path], location[:depth]):
                return f"{path.name}: {dotted}"
    return dotted


def _has(content: Any, location: Location) -> bool:
    for part in location:
        if not isinstance(content, dict) or part not in content:
            return False
        content = content[part]
    return True


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(known)}"


def _in_words(details: ErrorDetails) -> tuple[Location, str]:
    """Where a fault is, and what is wrong, in words."""
    location = tuple(part for part in details["loc"] if part != "[key]")
    # Pydantic names the alternative it read a method or a scaling as; the file has no such keys.
    if location[0] == "methods" and len(location) > 2:
        location = location[:2] + (location[3:4] + location[5:] if location[3:4] == ("scaling",) else location[3:])
    given = details["input"]
    match details["type"]:
        case "extra_forbidden":
            return location, f"unknown key; {_did_you_mean(str(location[-1]), keys_at(details['loc']))}"
        case "missing":
            return location, "missing; config/README.md explains every key"
        case "union_tag_not_found":
            return (*location, "algorithm"), f"missing; {_did_you_mean('', list(ALGORITHMS))}"
        case "union_tag_invalid":
            name = str(given.get("algorithm"))
            return (
                *location,
                "algorithm",
            ), f"unknown algorithm {name!r}; {_did_you_mean(name, list(ALGORITHMS))}"
        case "float_type" | "finite_number" | "int_type":
            kind = "a whole number" if details["type"] == "int_type" else "a number"
            hint = ""
            if isinstance(given, str):
                hint = " (without quotes; nested values given by --config arrive as text: use --configfile)"
            return location, f"must be {kind}{hint}, got {given!r}"
        case "too_short":
            return location, "is empty; list at least one entry"
        case "string_pattern_mismatch":
            return (
                location,
                "names may have letters, digits, '.', '_' and '-', and begin with a letter or digit",
            )
        case _:
            return location, f"{details['msg'].removeprefix('Value error, ')}, got {given!r}"


def _contradictions(config: Config) -> Iterator[tuple[Location, str]]:
    """Faults between keys, each of which is fine by itself."""
    known = [*MINI_TASKS, *config.tasks]
    for suite, tasks in config.suites.items():
        if not tasks:
            yield ("suites", suite), "the suite is empty; list at least one task"
        for task in tasks:
            if task not in known:
                yield ("suites", suite), f"unknown task {task!r}; {_did_you_mean(task, known)}"
        for task, count in Counter(tasks).items():
            if count > 1:
                yield ("suites", suite), f"task {task!r} is listed {count} times; list it once"
    for task in config.tasks:
        if task in MINI_TASKS or task in RESERVED_TASKS:
            yield ("tasks", task), f"the name {task!r} is taken; choose another"
    for kind in ("pools", "suites", "tasks", "methods"):
        folded: dict[str, str] = {}
        for name in getattr(config, kind):
            if (other := folded.setdefault(name.lower(), name)) != name:
                yield (
                    (kind, name),
                    f"differs from {other!r} only in case, which some file systems cannot tell apart",
                )
    labels: dict[str, str] = {}
    for name, method in config.methods.items():
        if (other := labels.setdefault(method.label, name)) != name:
            yield (
                ("methods", name, "label"),
                f"{method.label!r} is also the label of {other!r}; each needs its own",
            )
        path = getattr(method, "coefficients", None)
        if path is not None and not Path(path).is_file():
            yield ("methods", name, "coefficients"), f"no such file: {path}"
