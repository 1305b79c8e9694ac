"""What published numbers were measured with, and which methods of a configuration are the same."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from remerge.errors import RemergeError

Methods = Mapping[str, Mapping[str, Any]]
"""Methods of a configuration by id: algorithm and every parameter, as plain values."""

PUBLISHED_TASKS = 8
"""How many tasks are merged in the published averages that claims and small pools are compared with."""


@dataclass(frozen=True)
class Measured:
    """What one published method was measured with.

    Attributes:
        parameters: The algorithm and its parameters, as far as they were reported, as plain values.
        comparable: Parameters that are compared with instead.
        note: What to know of such a comparison.
    """

    parameters: Mapping[str, Any]
    comparable: Mapping[str, Any]
    note: str

    @property
    def algorithm(self) -> str:
        """Its algorithm."""
        return str(self.parameters["algorithm"])

    def is_of(self, method: Mapping[str, Any], but: Collection[str] = ()) -> bool:
        """Whether a method of a configuration has the algorithm and all parameters of this one.

        Args:
            method: Algorithm and every parameter.
            but: Parameters that may differ; so may those within a parameter, such as the grid of a tuned scaling.
        """
        wanted, own = (_without(values, but) for values in ({**self.parameters, **self.comparable}, method))
        return all(key in own and own[key] == value for key, value in wanted.items())


def _without(value: Any, keys: Collection[str]) -> Any:
    """A value without some keys of the mapping that it is, at any depth."""
    if not isinstance(value, Mapping):
        return value
    return {key: _without(within, keys) for key, within in value.items() if key not in keys}


def read_measured(path: str | Path) -> dict[str, dict[str, Measured]]:
    """Read what published methods were measured with, by origin of the checkpoints and name.

    Raises:
        RemergeError: An entry names no algorithm.
    """
    measured: dict[str, dict[str, Measured]] = {}
    for origin, methods in yaml.safe_load(Path(path).read_text(encoding="utf-8")).items():
        for name, entry in methods.items():
            if not isinstance(entry, dict) or "algorithm" not in entry:
                raise RemergeError(f"{path}: {origin}.{name}: names no algorithm")
            own = dict(entry)
            comparable, note = own.pop("comparable", {}), own.pop("note", "")
            measured.setdefault(str(origin), {})[str(name)] = Measured(own, comparable, note)
    return measured


def published_as(methods: Methods, measured: Mapping[str, Measured]) -> dict[str, str]:
    """Return the names under which methods of a configuration were published, by their ids.

    A method whose algorithm was published with other parameters only has an empty name; one whose algorithm was not
    published at all is left out.

    Args:
        methods: The configuration's methods.
        measured: The methods published for one origin.
    """
    algorithms = {own.algorithm for own in measured.values()}
    return {
        name: next((known for known, own in measured.items() if own.is_of(method)), "")
        for name, method in methods.items()
        if method["algorithm"] in algorithms
    }


def curves_as(methods: Methods, measured: Mapping[str, Measured]) -> dict[str, str]:
    """Return the ids of the methods on whose curves over lambda published methods lie, by the latter's names.

    Where several methods differ in nothing but their scaling, the first of them stands for their one curve.
    """
    found = {
        known: [name for name, method in methods.items() if own.is_of(method, but=["scaling"])]
        for known, own in measured.items()
        if "scaling" in own.parameters
    }
    return {known: names[0] for known, names in found.items() if names}


def paired(methods: Methods, measured: Mapping[str, Measured], but: Collection[str]) -> dict[str, str]:
    """Return the names under which methods of a configuration were published, by their ids, each name once.

    Pairs whose parameters all agree come first, then those that agree in all ``but`` some; methods and published names
    that are left without a partner are left out.

    Args:
        methods: The configuration's methods.
        measured: The methods published for one origin.
        but: Parameters that may differ.
    """
    names: dict[str, str] = {}
    for free in ((), but):
        for known, own in measured.items():
            alike = [name for name, method in methods.items() if name not in names and own.is_of(method, free)]
            if alike and known not in names.values():
                names[alike[0]] = known
    return {name: names[name] for name in methods if name in names}
