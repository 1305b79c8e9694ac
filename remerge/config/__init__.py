"""Reading and checking the configuration: all faults are reported at once, before anything runs."""

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
"""Sections whose entries are named by the user."""


def load_config(values: Mapping[str, Any], files: Sequence[Path] = ()) -> Config:
    """Check a configuration.

    Args:
        values: The configuration, with all files and the command line merged.
        files: The files it came from, later ones overriding earlier ones; messages name the file at fault.

    Raises:
        ConfigError: The configuration has faults; the message has one line per fault, with file, key and remedy.
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
    """Sort entries as in the files, earlier files first, and drop those that a later file sets to null.

    Dropping a suite also drops its studies, and dropping a method removes it from studies.

    Snakemake merges files such that a later file's entries come first.
    """
    ordered = dict(values)
    dropped: dict[str, set[str]] = {section: set() for section in LISTS}
    for section in LISTS:
        entries = ordered.get(section)
        if not isinstance(entries, Mapping):
            continue
        in_files = [part for content in contents if isinstance(part := _value(content, (section,)), Mapping)]
        names = [name for part in in_files for name in part]
        given = {name for part in in_files for name in part if part[name] is not None}
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
    """A study without the methods that a later file drops."""
    if not isinstance(study, Mapping) or not isinstance(study.get("methods"), list):
        return study
    return {**study, "methods": [name for name in study["methods"] if str(name) not in methods]}


def _origin(location: Location, values: Mapping[str, Any], contents: Mapping[Path, Any]) -> str:
    """Where to look: the last file that sets this value, the command line, or the parent of a missing key."""
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
    """The value at a location, or ``_ABSENT``."""
    for part in location:
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            return _ABSENT
    return content


def _same(in_file: Any, given: Any) -> bool:
    """Whether a file's value is the one in effect; mappings are merged across files, so they are never quite equal."""
    if isinstance(in_file, Mapping) and isinstance(given, Mapping):
        return True
    # NaN does not equal itself, but has the same repr.
    return in_file is not _ABSENT and (in_file == given or repr(in_file) == repr(given))
