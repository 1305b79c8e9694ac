"""Say what an environment has in other versions than its file pins.

Run by the environment's own Python, whose version decides which of several pins holds:
``PREFIX/bin/python envs/check_installed.py FILE.yaml``.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def holding(pins: Iterable[str], python: Mapping[str, str] | None = None) -> Iterator[Requirement]:
    """Yield the pins that hold under one Python.

    Args:
        pins: Requirements, with or without markers.
        python: Values of markers, such as ``python_full_version``; those left out are the running Python's.
    """
    for pin in map(Requirement, pins):
        if pin.marker is None or pin.marker.evaluate(dict(python or {})):
            yield pin


def faults(pins: Iterable[str], installed: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for every pin that holds here and is not what is installed, by canonical name."""
    for pin in holding(pins):
        found = installed.get(canonicalize_name(pin.name))
        # A build of its own, such as 2.15.0+cpu, is still the version that is pinned.
        if found is None or not pin.specifier.contains(found, prereleases=True):
            yield f"{pin.name}{pin.specifier} is pinned, {found or 'nothing'} is installed"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    *_, by_pip = yaml.safe_load(file.read_text(encoding="utf-8"))["dependencies"]
    present: dict[str, str] = {canonicalize_name(found.name): found.version for found in distributions()}
    if lines := list(faults(by_pip["pip"], present)):
        sys.exit("\n  ".join([f"{sys.prefix} differs from {file}:", *lines]))
