"""The configuration: read, checked as a whole, and every fault told at once, before anything runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from remerge.config.contradictions import contradictions
from remerge.config.folders import inspect_tasks
from remerge.config.models import Config, FolderTask
from remerge.config.wording import Location, dotted, in_words
from remerge.errors import ConfigError
from remerge.methods.parameters import Method, Tune
from remerge.run.strict_yaml import read_yaml, shown_path

__all__ = ["Config", "FolderTask", "Method", "Tune", "inspect_tasks", "load_config"]

_ABSENT = object()
LISTS = ("pools", "suites", "tasks", "methods", "studies")
"""Sections whose entries have names of the user's choice."""


def load_config(values: Mapping[str, Any], files: Sequence[Path] = ()) -> Config:
    """Check a configuration.

    Args:
        values: The configuration after all files and the command line were laid over each other.
        files: The files it came from, later ones over earlier ones; faults are told with the file's name.

    Raises:
        ConfigError: Something is wrong; the message has a line per fault with file, key and remedy.
    """
    contents = {path: read_yaml(path) for path in files}
    values = _in_order(values, list(contents.values()))
    faults = list(contradictions(values))
    try:
        config = Config.model_validate(dict(values))
    except ValidationError as error:
        faults = [in_words(details) for details in error.errors(include_url=False)] + faults
    if faults:
        lines = [f"{_origin(location, values, contents)}{dotted(location)}: {text}" for location, text in faults]
        raise ConfigError("the configuration cannot be run:\n  " + "\n  ".join(lines))
    return config


def _in_order(values: Mapping[str, Any], contents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Bring entries into the files' order, first files first, and drop those that a later file sets to null.

    With a suite go the studies of it, and a method goes from studies too.

    Snakemake lays files over each other so that a later file's entries come first.
    """
    ordered = dict(values)
    dropped: dict[str, set[str]] = {section: set() for section in LISTS}
    for section in LISTS:
        entries = ordered.get(section)
        if not isinstance(entries, Mapping):
            continue
        named = [_value(content, (section,)) for content in contents]
        names = [name for own in named if isinstance(own, Mapping) for name in own]
        given = {name for own in named if isinstance(own, Mapping) for name in own if own[name] is not None}
        ordered[section] = {
            name: entries[name]
            for name in dict.fromkeys([*names, *entries])
            if name in entries and not (entries[name] is None and name in given)
        }
        dropped[section] = set(entries) - set(ordered[section])
    if isinstance(studies := ordered.get("studies"), Mapping):
        kept = {name: _without(study, dropped["methods"]) for name, study in studies.items()}
        ordered["studies"] = {
            name: study
            for name, study in kept.items()
            if not (isinstance(study, Mapping) and _is_void(study, studies[name], dropped["suites"]))
        }
    return ordered


def _is_void(study: Mapping[str, Any], written: Mapping[str, Any], suites: set[str]) -> bool:
    """Whether nothing is left of a study."""
    return str(study.get("suite")) in suites or (study.get("methods") == [] and written.get("methods") != [])


def _without(study: Any, methods: set[str]) -> Any:
    """A study without the methods that a later file leaves out."""
    if not isinstance(study, Mapping) or not isinstance(study.get("methods"), list):
        return study
    return {**study, "methods": [name for name in study["methods"] if str(name) not in methods]}


def _origin(location: Location, values: Mapping[str, Any], contents: Mapping[Path, Any]) -> str:
    """Where to look: the last file that says what stands there, the command line, or what holds a missing key."""
    for depth in range(len(location), 0, -1):
        given = _value(values, location[:depth])
        if given is _ABSENT:
            continue
        for path in reversed(list(contents)):
            if _same(_value(contents[path], location[:depth]), given):
                return f"{shown_path(path)}: "
        return "--config: " if contents else ""
    return f"{shown_path(list(contents)[-1])}: " if contents else ""


def _value(content: Any, location: Location) -> Any:
    """What stands at a location, or ``_ABSENT``."""
    for part in location:
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            return _ABSENT
    return content


def _same(found: Any, given: Any) -> bool:
    """Whether a file's value is the one in force; mappings of several files are merged and so never quite equal."""
    if isinstance(found, Mapping) and isinstance(given, Mapping):
        return True
    # A value that is not a number (nan) does not equal itself, but looks the same.
    return found is not _ABSENT and (found == given or repr(found) == repr(given))
