"""Every fault of a configuration is told before anything runs, with its file, key and remedy."""

import copy
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import remerge
from remerge.config import load_config
from remerge.config.reference import ALGORITHM_MODELS, configuration_readme, configuration_schema
from remerge.errors import ConfigError
from remerge.merging.adamerging import learn_coefficients
from remerge.merging.registry import ALGORITHMS

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "config.yaml"


@pytest.fixture
def values() -> dict[str, Any]:
    return yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))


def faults_of(values: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(values, [SHIPPED])
    return str(caught.value)


def keys(values: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The location of every key the schema defines; names that users choose are passed over."""
    if isinstance(values, dict):
        for key, value in values.items():
            location = (*above, key)
            if above not in {("pools",), ("suites",), ("tasks",), ("methods",)}:
                yield location
            yield from keys(value, location)


def test_the_shipped_configuration_is_fine(values: dict[str, Any]) -> None:
    config = load_config(values, [SHIPPED])
    assert list(config.methods)[:2] == ["pretrained", "individual"]
    assert config.methods["ties-mean"].is_tuned
    assert not config.methods["ties"].is_tuned
    assert [name for name, method in config.methods.items() if method.learns] == [
        "adamerging-task",
        "adamerging-task-pp",
        "adamerging-layer",
        "adamerging-layer-pp",
    ]


def test_a_misspelt_key_is_named_wherever_it_stands(values: dict[str, Any]) -> None:
    tried = 0
    for location in keys(values):
        broken = copy.deepcopy(values)
        inner = broken
        for part in location[:-1]:
            inner = inner[part]
        misspelt = location[-1] + "x"
        inner[misspelt] = inner.pop(location[-1])
        message = faults_of(broken)
        assert (
            ".".join((*location[:-1], misspelt)) in message
            or f"'{location[-1]}'" in message
            or (f"{'.'.join(location)}: missing" in message)
        ), location
        tried += 1
    assert tried > 40


@pytest.mark.parametrize(
    ("key", "value", "messages"),
    [
        ("methods.ties.scalling", 0.3, ["methods.ties.scalling: unknown key; did you mean 'scaling'?"]),
        (
            "suites.eight",
            ["digts"],
            ["config.yaml: suites.eight: unknown task 'digts'; did you mean 'digits'?"],
        ),
        ("suites.eight", ["digits", "digits"], ["'digits' is listed 2 times"]),
        ("suites.eight", [], ["config.yaml: suites.eight: the suite is empty"]),
        (
            "methods.ties.algorithm",
            "tise",
            ["methods.ties.algorithm: unknown algorithm 'tise'; did you mean 'ties'?"],
        ),
        ("methods.ties.scaling", "abc", ["methods.ties.scaling: must be a number", "got 'abc'"]),
        ("methods.ties.scaling", "0.3", ["without quotes"]),
        ("methods.ties.scaling", True, ["must be a number", "got True"]),
        ("methods.ties.scaling", float("nan"), ["methods.ties.scaling: must be a number"]),
        (
            "methods.ties.scaling",
            {"tune": "test", "grid": [0.1]},
            ["methods.ties.scaling.tune", "'validation'"],
        ),
        ("methods.ties.scaling", {"tune": "validation", "grid": []}, ["methods.ties.scaling.grid: is empty"]),
        ("methods.ties.scaling", {"tune": "validation", "grid": [1.0, 1.0]}, ["listed twice"]),
        ("methods.ties.keep", 20, ["methods.ties.keep", "less than or equal to 1"]),
        ("methods.ties.label", "TIES (mean, tuned)", ["'TIES (mean, tuned)' is also the label of"]),
        ("methods.a/b", {"label": "x", "algorithm": "ties"}, ["methods.a/b: names may have letters"]),
        ("methods.Ties", {"label": "x", "algorithm": "ties"}, ["differs from 'ties' only in case"]),
        (
            "methods.again",
            {"label": "x", "algorithm": "adamerging", "coefficients": "no.csv"},
            ["no such file: no.csv"],
        ),
        (
            "methods.again",
            {"label": "x", "algorithm": "adamerging", "coefficients": "c.csv", "steps": 3},
            ["applied without learning: remove steps"],
        ),
        ("pools.mini.seed", -1, ["pools.mini.seed"]),
        ("pools", {}, ["config.yaml: pools: is empty"]),
        ("tasks", {"digits": {"folder": "x"}}, ["tasks.digits: the name 'digits' is taken"]),
        ("tasks", {"pretrained": {"folder": "x"}}, ["'pretrained' is taken"]),
        ("tasks", {"mine": {"folder": "x", "templates": ["no blank"]}}, ["exactly one {}"]),
        ("tasks", {"mine": {"folder": "x", "templates": ["{} of {name}"]}}, ["no braces but its one {}"]),
    ],
)
def test_values_at_fault_are_named(values: dict[str, Any], key: str, value: object, messages: list[str]) -> None:
    *above, last = key.split(".")
    inner = values
    for part in above:
        inner = inner[part]
    inner[last] = value
    told = faults_of(values)
    for message in messages:
        assert message in told


def test_all_faults_are_told_at_once(values: dict[str, Any]) -> None:
    values["methods"]["ties"]["kep"] = 1
    values["pols"] = {}
    told = faults_of(values)
    assert "methods.ties.kep: unknown key" in told
    assert "pols: unknown key" in told


def test_the_file_that_sets_the_key_is_named(values: dict[str, Any], tmp_path: Path) -> None:
    over = tmp_path / "over.yaml"
    over.write_text("methods: {ties: {keep: 20}}")
    values["methods"]["ties"]["keep"] = 20
    with pytest.raises(ConfigError, match=r"over\.yaml: methods\.ties\.keep"):
        load_config(values, [SHIPPED, over])


def test_a_method_named_twice_is_refused(values: dict[str, Any], tmp_path: Path) -> None:
    twice = tmp_path / "twice.yaml"
    twice.write_text("methods:\n  mine: {algorithm: ties}\n  other: {algorithm: ties}\n  mine: {algorithm: ties}\n")
    with pytest.raises(ConfigError, match=r"twice\.yaml: 'mine' stands twice, in line 2 and line 4"):
        load_config(values, [twice])


def test_yaml_that_makes_objects_is_refused(values: dict[str, Any], tmp_path: Path) -> None:
    evil = tmp_path / "evil.yaml"
    evil.write_text("pools: !!python/object/apply:os.system ['touch evil']\n")
    with pytest.raises(ConfigError, match="not plain YAML"):
        load_config(values, [evil])


def test_documentation_and_schema_are_in_step() -> None:
    assert (ROOT / "config" / "README.md").read_text(encoding="utf-8") == configuration_readme(), "run `make docs`"
    schema = ROOT / "workflow" / "schemas" / "config.schema.yaml"
    assert schema.read_text(encoding="utf-8") == configuration_schema(), "run `make docs`"


def test_every_key_is_described() -> None:
    for line in configuration_readme().splitlines():
        if line.startswith("| `"):
            assert len(line.rstrip(" |").rsplit("|", 1)[1].strip()) > 10, line


def test_configuration_and_registry_know_the_same_algorithms() -> None:
    assert list(ALGORITHM_MODELS) == list(ALGORITHMS)


@pytest.mark.parametrize(
    ("algorithm", "function"),
    [
        ("task_arithmetic", remerge.task_arithmetic),
        ("ties", remerge.ties),
        ("adamerging", learn_coefficients),
    ],
)
def test_defaults_are_those_of_the_library(algorithm: str, function: Any) -> None:
    fields = ALGORITHM_MODELS[algorithm].model_fields
    shared = {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if name in fields and parameter.default is not inspect.Parameter.empty
    }
    assert shared
    assert {name: fields[name].default for name in shared} == shared
