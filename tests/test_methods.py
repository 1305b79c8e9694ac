"""The registry and the methods' files agree, and no file imports torch before it merges."""

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from remerge.config.methods import ALGORITHM_MODELS
from remerge.figures.style import FAMILIES, looks
from remerge.methods import load
from remerge.methods.registry import ALGORITHMS, Kind

ROOT = Path(__file__).parent.parent
OFFERED: dict[Kind, set[str]] = {
    "reference": set(),
    "joint": set(),
    "rule": {"merge_rule"},
    "statistics": {"statistics", "merge"},
    "exemplars": {"merge"},
    "parts": {"parts"},
    "adapters": {"learn"},
    "routers": {"parts", "learn"},
    "learned": {"preprocess", "learn", "merge", "merge_rule"},
}
NO_METHODS = {"__init__", "matrix_methods", "measured", "parameters", "plug_ins", "registry"}
FILES = {path.stem for path in (ROOT / "remerge" / "methods").glob("*.py")} - NO_METHODS


def test_every_file_has_an_entry_and_every_entry_a_file() -> None:
    assert set(ALGORITHMS) == FILES


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_method_offers_what_its_kind_asks_for(name: str) -> None:
    assert get_args(ALGORITHM_MODELS[name].model_fields["algorithm"].annotation) == (name,)
    offered = {function for functions in OFFERED.values() for function in functions if hasattr(load(name), function)}
    assert offered == OFFERED[ALGORITHMS[name].kind]


def test_importing_methods_imports_neither_torch_nor_what_computes() -> None:
    code = f"""
import json, sys
from remerge.methods import load
heavy = {{"torch", "torchvision", "open_clip", "pandas", "matplotlib"}}
print(json.dumps({{name: sorted(heavy & sys.modules.keys()) for name in {sorted(FILES)} if load(name)}}))
"""
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == {name: [] for name in sorted(FILES)}


def test_methods_of_no_known_family_look_different() -> None:
    drawn = looks({name: {"looks": family} for name, family in (("a", "new"), ("b", "newer"), ("c", "ties"))})
    assert [drawn["a"], drawn["b"]] == FAMILIES["other"][:2]
    assert drawn["c"] == FAMILIES["ties"][0]
