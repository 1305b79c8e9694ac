"""Pydantic's errors, reworded so that a user can act on them."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import yaml
from pydantic_core import ErrorDetails

from remerge.config.reference import keys_at
from remerge.methods.registry import ALGORITHMS, algorithms_of_kind
from remerge.studies.registry import KINDS

Location = tuple[str | int, ...]
Fault = tuple[Location, str]

NAME_RULE = "names may have letters, digits, '.', '_' and '-', and begin with a letter or digit"
SHOWN_CHARACTERS = 60


def dotted(location: Location) -> str:
    """Return a location as ``methods.ties.scaling.grid[0]``."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(parts).removeprefix(".")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the known word that was probably meant, if one is close, and all known words."""
    known = list(known)
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(known)}"


def in_words(details: ErrorDetails) -> Fault:
    """Return the location of a fault, as the user wrote it, and what is wrong."""
    location = _as_written(details["loc"])
    given, bounds = details["input"], details.get("ctx", {})
    match details["type"]:
        case "extra_forbidden":
            return location, f"unknown key; {did_you_mean(str(location[-1]), keys_at(details['loc']))}"
        case "missing":
            return location, "missing; config/README.md says what belongs here"
        case "union_tag_not_found":
            return _without_tag(location, given)
        case "union_tag_invalid":
            tag, known = _tag(location)
            return (*location, tag), f"unknown {tag} {str(given[tag])!r}; {did_you_mean(str(given[tag]), known)}"
        case "float_type" | "finite_number":
            return location, _must_be("a number", given, _unquoted(given))
        case "int_type" | "int_from_float":
            return location, _must_be("a whole number", given, _unquoted(given))
        case "greater_than":
            return location, _must_be(f"greater than {bounds['gt']:g}", given)
        case "greater_than_equal":
            return location, _must_be(f"at least {bounds['ge']:g}", given)
        case "less_than":
            return location, _must_be(f"less than {bounds['lt']:g}", given)
        case "less_than_equal":
            return location, _must_be(f"at most {bounds['le']:g}", given)
        case "literal_error":
            return location, _must_be(bounds["expected"], given)
        case "string_type" if details["loc"][-1] == "[key]":
            return (*location[:-1], str(given)), f"a name must be text, got {_shown(given)}; put it in quotes"
        case "invalid_key":
            return (*location[:-1], str(given)), f"a key must be text, got {_shown(given)}"
        case "string_type":
            return location, _must_be("text", given, "; put it in quotes")
        case "list_type":
            return location, _must_be("a list", given, "; write [..., ...]")
        case "dict_type" | "model_type" | "model_attributes_type":
            return location, _must_be("a mapping (key: value)", given)
        case "string_too_long":
            return location, f"has {len(given)} characters; at most {bounds['max_length']} have room"
        case "string_too_short":
            return location, "is empty; write some text"
        case "too_short" if not given:
            return location, "is empty; list at least one entry"
        case "too_short":
            return location, f"needs at least {bounds['min_length']} entries, got {_shown(given)}"
        case "string_pattern_mismatch":
            return location, NAME_RULE
        case _:
            return location, f"{details['msg'].removeprefix('Value error, ')}, got {_shown(given)}"


def _as_written(location: Location) -> Location:
    """Drop what pydantic adds: a marker of keys, and the union member that an entry or a part of it was read as."""
    parts = tuple(part for part in location if part != "[key]")
    if parts[0] not in ("methods", "studies"):
        return parts
    written, rest = parts[:2], parts[3:]
    while rest:
        written, rest = (*written, rest[0]), rest[2 if rest[0] in ("scaling", "around") else 1 :]
    return written


def _tag(location: Location) -> tuple[str, Iterable[str]]:
    """The key that selects an entry's model, and its valid values."""
    if location[0] == "studies":
        return "kind", KINDS
    return "algorithm", algorithms_of_kind("rule") if location[-1] == "around" else ALGORITHMS


def _without_tag(location: Location, entry: Mapping[Any, Any]) -> Fault:
    tag, known = _tag(location)
    misspelt = get_close_matches(tag, [key for key in entry if isinstance(key, str)], n=1, cutoff=0.6)
    if misspelt:
        return (*location, misspelt[0]), f"unknown key; did you mean {tag!r}?"
    return (*location, tag), f"missing; {did_you_mean('', known)}"


def _must_be(what: str, given: Any, hint: str = "") -> str:
    return f"must be {what}, got {_shown(given)}{hint}"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def _unquoted(text: Any) -> str:
    """A hint on how to write a number that was given as text, if it is one."""
    try:
        number = float(text) if isinstance(text, str) else None
    except ValueError:
        return ""
    if number is None:
        return ""
    written = yaml.safe_dump(int(number) if number.is_integer() else number).split("\n")[0]
    return f"; write {written} without quotes (--config passes nested values as text: use --configfile)"
