"""All faults of a configuration are reported before anything runs, each with its file, key and remedy."""

import copy
import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from snakemake.utils import update_config

import remerge
from remerge.config import load_config
from remerge.config.methods import ALGORITHM_MODELS
from remerge.config.reference import configuration_readme, configuration_schema
from remerge.errors import ConfigError
from remerge.merging.learning import learn_coefficients
from remerge.tasks import MINI_TASKS

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "config.yaml"


@pytest.fixture
def values() -> dict[str, Any]:
    return yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))


def faults_of(values: dict[str, Any], folder: Path) -> str:
    """What is told of a configuration that stands in ``config.yaml``."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(values, [path])
    return str(caught.value)


def keys(values: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The location of every key the schema defines; names that users choose are passed over."""
    if isinstance(values, dict):
        for key, value in values.items():
            location = (*above, key)
            if above not in {("pools",), ("suites",), ("tasks",), ("methods",), ("studies",)}:
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


@pytest.mark.parametrize("preset", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_preset_is_fine_over_the_shipped_configuration(values: dict[str, Any], preset: Path) -> None:
    update_config(values, yaml.safe_load(preset.read_text(encoding="utf-8")))
    load_config(values, [SHIPPED, preset])


def test_the_readmes_examples_are_fine(values: dict[str, Any], tmp_path: Path) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", configuration_readme(), flags=re.DOTALL)
    assert len(examples) == 3
    files = [SHIPPED]
    for number, example in enumerate(examples):
        update_config(values, yaml.safe_load(example))
        files.append(tmp_path / f"{number}.yaml")
        files[-1].write_text(example, encoding="utf-8")
        load_config(values, files)


def test_rows_keep_the_files_order_whatever_snakemake_makes_of_it(values: dict[str, Any], tmp_path: Path) -> None:
    over = tmp_path / "over.yaml"
    over.write_text("methods: {new: {label: New, algorithm: weight_averaging}, ties: {scaling: 0.4}}", encoding="utf-8")
    # As Snakemake does: what is laid over comes first.
    merged = yaml.safe_load(over.read_text(encoding="utf-8"))
    names = list(values["methods"])
    update_config(values, merged)
    values["methods"] = {name: values["methods"][name] for name in ["new", "ties", *names[::-1]]}
    assert list(load_config(values, [SHIPPED, over]).methods) == [*names, "new"]


def test_null_leaves_out_what_an_earlier_file_names_and_nothing_else(values: dict[str, Any], tmp_path: Path) -> None:
    over = tmp_path / "over.yaml"
    over.write_text("methods: {ties: null}\npools: {mini: null, other: {seed: 3}}", encoding="utf-8")
    update_config(values, yaml.safe_load(over.read_text(encoding="utf-8")))
    config = load_config(values, [SHIPPED, over])
    assert "ties" not in config.methods
    assert list(config.pools) == ["other"]
    over.write_text("methods: {tiez: null}", encoding="utf-8")
    values["methods"]["tiez"] = None
    with pytest.raises(ConfigError, match=r"over\.yaml: methods\.tiez: must be a mapping"):
        load_config(values, [SHIPPED, over])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pools: {mini: {architecture: ViT-B-32}}", "origin `trained` is for architecture mini"),
        ("pools: {mini: {origin: fusionbench}}", "origin fusionbench needs an architecture"),
        ("pools: {mini: {folder: x}}", "`folder` is only for origin task-vectors"),
        ("pools: {b: {origin: random, architecture: ViT-B-32}}", "digits, latin, .*drawn for architecture mini"),
        ("methods: {mine: {label: M, algorithm: own, file: 'm{x}.py'}}", "mine.file: a path may have no braces"),
        ("clip_tasks: {Cars: {source: torchvision}}", "clip_tasks.Cars.source: torchvision cannot download Cars"),
        ("clip_tasks: {EMNIST-digits: {source: hub}}", "hub cannot download EMNIST-digits; take it from torchvision"),
        ("pools: {a: {origin: tall-masks-leaked, architecture: ViT-B-32}}", "no longer offered .* name the `folder`"),
        (
            "pools: {a: {origin: task-vectors, architecture: ViT-B-32}}\nsuites: {eight: [MNIST, STL10]}",
            "suites.eight: STL10: pool 'a' has no expert of it, .* origins with one: tall-masks, .*, fusionbench",
        ),
        (
            "pools: {a: {origin: fusionbench, architecture: ViT-B-32}}\nsuites: {eight: [EMNIST-digits]}",
            "suites.eight: EMNIST-digits: pool 'a' has no expert",
        ),
        ("clip_tasks: {MNIST: {source: hub, folder: x}}", "clip_tasks.MNIST: has a source and a folder"),
        ("clip_tasks: {mnist: {source: hub}}", "clip_tasks.mnist"),
        ("clip_tasks: {MNIST: {test_images: 0}}", "clip_tasks.MNIST.test_images"),
        ("tasks: {MNIST: {folder: x}}", "the name 'MNIST' is taken"),
        ("tasks: {polish: {folder: x}}", "the name 'polish' is taken"),
        ("pools: {mini: {architecture: t5-mini, origin: random}}", "t5-mini is only trained here; remove the origin"),
        (
            "pools: {b: {architecture: t5-mini}}",
            "suites.eight: digits, .*: of images, which pool b does not read",
        ),
        ("suites: {eight: [polish, latin]}", "suites.eight: polish: of texts, which pool mini does not read"),
        ("pools: {mini: {architecture: t5-mini}}", "methods.regmean.algorithm: regmean merges image encoders only"),
        ("pools: {mini: {architecture: t5-mini}}", "studies.pairs: studies score images, .* set the study to null"),
        (
            "pools: {mini: {architecture: t5-mini}}\nmethods: {s: {label: S, algorithm: smile}}",
            "methods.s.algorithm: smile merges image encoders only",
        ),
        (
            "pools: {mini: {architecture: t5-mini}}\nscoring: {precision: bfloat16}",
            "scoring.precision: pool mini reads texts, which are scored in float32",
        ),
    ],
)
def test_origins_and_images_that_do_not_fit_are_refused(
    values: dict[str, Any], tmp_path: Path, text: str, told: str
) -> None:
    update_config(values, yaml.safe_load(text))
    assert re.search(told, faults_of(values, tmp_path))


@pytest.mark.parametrize("architecture", ["b-32", "b-16", "l-14"])
def test_presets_of_fourteen_tasks_are_the_first_of_those_of_twenty(architecture: str) -> None:
    suites = {}
    for count in (14, 20):
        preset = ROOT / "config" / f"clip-vit-{architecture}-{count}.yaml"
        values = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
        update_config(values, yaml.safe_load(preset.read_text(encoding="utf-8")))
        config = load_config(values, [SHIPPED, preset])
        name, suites[count] = list(config.suites.items())[-1]
        assert len(suites[count]) == count
        assert config.has_curves(name)
        assert not config.cross_scores
        assert not {study.kind for study in config.studies.values()} & {"pairs"}
    assert suites[14] == suites[20][:14]
    # Of the three suites of the larger preset, only twenty has curves.
    assert config.suites == {"eight": suites[20][:8], "fourteen": suites[14], "twenty": suites[20]}
    assert not config.has_curves("eight")


def test_mini_has_suites_of_eight_fourteen_and_twenty() -> None:
    preset = ROOT / "config" / "mini-20.yaml"
    values = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    eight = values["suites"]["eight"]
    update_config(values, yaml.safe_load(preset.read_text(encoding="utf-8")))
    config = load_config(values, [SHIPPED, preset])
    tasks = list(MINI_TASKS)
    assert config.suites == {"eight": eight, "fourteen": tasks[:14], "twenty": tasks}
    assert eight == tasks[:8]


def test_curves_are_of_suites_that_there_are(values: dict[str, Any], tmp_path: Path) -> None:
    values["figures"]["curves"] = ["eight", "eigth"]
    told = faults_of(values, tmp_path)
    assert "config.yaml: figures.curves: unknown suite 'eigth'; did you mean 'eight'?" in told
    values["figures"]["curves"] = []
    assert not load_config(values, [SHIPPED]).has_curves("eight")
    del values["figures"]["curves"]
    assert load_config(values, [SHIPPED]).has_curves("eight")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{kind: nothing, suite: eight}", r"studies\.s\.kind: unknown kind 'nothing'; known: generalisation"),
        ("{suite: eight}", r"studies\.s\.kind: missing; known: generalisation"),
        ("{kind: pairs, suite: eigth}", r"studies\.s\.suite: unknown suite 'eigth'; did you mean 'eight'\?"),
        ("{kind: pairs, suite: eight, scalin: 1}", r"studies\.s\.scalin: unknown key; did you mean 'scaling'\?"),
        (
            "{kind: generalisation, suite: eight, unseen: [[digit]], methods: [ties]}",
            r"studies\.s\.unseen: 'digit' is no task of suite 'eight'; did you mean 'digits'\?",
        ),
        (
            "{kind: robustness, suite: eight, tasks: [digit], corruptions: [gaussian_noise], methods: [ties]}",
            r"studies\.s\.tasks: 'digit' is no task of suite 'eight'; did you mean 'digits'\?",
        ),
        (
            "{kind: generalisation, suite: one, unseen: [[digits]], methods: [ties]}",
            r"studies\.s\.unseen: every task of the suite is left out; leave one to merge",
        ),
        ("{kind: task_counts, suite: eight, methods: [tise]}", r"unknown method 'tise'; did you mean 'ties'\?"),
        ("{kind: task_counts, suite: eight, methods: [ties-mean]}", r"'ties-mean' is tuned, and studies tune nothing"),
        ("{kind: task_counts, suite: eight, methods: [pretrained]}", r"'pretrained' merges nothing"),
        ("{kind: task_counts, suite: eight, methods: [fisher]}", r"'fisher' wants statistics of the experts"),
        ("{kind: task_counts, suite: eight, methods: [soup]}", r"'soup' looks at validation images"),
        ("{kind: pairs, suite: eight, images: 0}", r"studies\.s\.images"),
        (
            "{kind: robustness, suite: eight, tasks: [digits], corruptions: [fog], methods: [ties]}",
            r"studies\.s\.corruptions\[0\]",
        ),
        ("{kind: pairs, suite: one}", r"studies\.s\.suite: pairs needs 2 tasks, and suite 'one' has 1"),
        ("{kind: negation, suite: one}", r"studies\.s\.suite: negation needs 2 tasks, and suite 'one' has 1"),
        ("{kind: negation, suite: eight, scalings: [0.5, 1.0]}", r"must hold 0, the encoder before anything"),
    ],
)
def test_bad_studies_are_refused_with_their_key(values: dict[str, Any], tmp_path: Path, text: str, told: str) -> None:
    values["studies"] = {"s": yaml.safe_load(text)}
    values["suites"]["one"] = ["digits"]
    values["methods"]["soup"] = {"label": "Soup", "algorithm": "greedy_soup"}
    assert re.search(told, faults_of(values, tmp_path))


def test_a_suite_that_is_left_out_takes_its_studies_along(values: dict[str, Any], tmp_path: Path) -> None:
    later = tmp_path / "later.yaml"
    later.write_text("suites: {eight: null, pair: [digits, latin]}\nmethods: {weight-averaging: null}\n")
    update_config(values, yaml.safe_load(later.read_text()))
    assert load_config(values, [SHIPPED, later]).studies == {}
    later.write_text("methods: {weight-averaging: null}\n")
    again = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    update_config(again, yaml.safe_load(later.read_text()))
    studies = load_config(again, [SHIPPED, later]).studies
    assert studies["task-counts"].applied == ["task-arithmetic", "ties"]


def test_a_downloaded_pool_needs_a_zero_shot_row(values: dict[str, Any], tmp_path: Path) -> None:
    values["pools"] = {"b": {"origin": "fusionbench", "architecture": "ViT-B-32"}}
    values["suites"] = {"eight": ["MNIST"]}
    del values["methods"]["pretrained"]
    assert "checked by its zero-shot accuracy before anything is merged" in faults_of(values, tmp_path)


@pytest.mark.parametrize("misspell", [lambda key: key + "x", lambda key: key[:2] + key[3:]], ids=["longer", "shorter"])
def test_a_misspelt_key_is_named_wherever_it_stands(
    values: dict[str, Any], tmp_path: Path, misspell: Callable[[str], str]
) -> None:
    locations = list(keys(values))
    assert len(locations) > 40
    for location in locations:
        broken = copy.deepcopy(values)
        inner = broken
        for part in location[:-1]:
            inner = inner[part]
        inner[misspell(location[-1])] = inner.pop(location[-1])
        misspelt = ".".join((*location[:-1], misspell(location[-1])))
        told = faults_of(broken, tmp_path)
        assert f"config.yaml: {misspelt}: unknown key; did you mean {location[-1]!r}?" in told


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.integers() | st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.data())
def test_nothing_but_a_fault_in_words_comes_of_anything(data: st.DataObject) -> None:
    values = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    values |= {"tasks": {"mine": {"folder": "x", "classes": {"a": "b"}, "templates": ["{}"]}}, "training": {}}
    location = data.draw(st.sampled_from([(key,) for key in values] + list(keys(values))))
    inner = values
    for part in location[:-1]:
        inner = inner[part]
    inner[location[-1]] = data.draw(ANYTHING)
    try:
        load_config(values, [SHIPPED])
    except ConfigError as error:
        assert "Input should" not in str(error)
        assert "[key]" not in str(error)


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
        ("suites.eight", [], ["config.yaml: suites.eight: the suite is empty; list at least one task"]),
        ("suites.eight", "digits", ["suites.eight: must be a list, got 'digits'"]),
        ("suites.eight", [7], ["suites.eight[0]: must be text, got 7; put it in quotes"]),
        (
            "methods.ties.algorithm",
            "tise",
            ["methods.ties.algorithm: unknown algorithm 'tise'; did you mean 'ties'?"],
        ),
        ("methods.ties.scaling", "abc", ["methods.ties.scaling: must be a number", "got 'abc'"]),
        ("methods.ties.scaling", "0.3", ["write 0.3 without quotes", "--configfile"]),
        ("methods.ties.scaling", "1e-5", ["write 1.0e-05 without quotes"]),
        ("methods.ties.scaling", None, ["must be a number, got nothing"]),
        ("methods.ties.scaling", True, ["must be a number", "got True"]),
        ("methods.ties.scaling", float("nan"), ["config.yaml: methods.ties.scaling: must be a number, got nan"]),
        ("methods.ties.scaling", float("inf"), ["config.yaml: methods.ties.scaling: must be a number, got inf"]),
        (
            "methods.ties.scaling",
            {"tune": "test", "grid": [0.1]},
            ["methods.ties.scaling.tune: must be 'validation', got 'test'"],
        ),
        ("methods.ties.scaling", {"tune": "validation", "grid": []}, ["methods.ties.scaling.grid: is empty"]),
        ("methods.ties.scaling", {"tune": "validation", "grid": [1.0, "a"]}, ["scaling.grid[1]: must be a number"]),
        ("methods.ties.scaling", {"tune": "validation", "grid": [1.0, 1.0]}, ["listed twice"]),
        ("methods.ties.keep", 20, ["methods.ties.keep: must be at most 1, got 20"]),
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
        (
            "methods.again",
            {"label": "x", "algorithm": "adamerging", "coefficients": "c.csv", "steps": 500},
            ["applied without learning: remove steps"],
        ),
        ("methods.ties", None, ["methods.ties: must be a mapping (key: value), got nothing"]),
        ("methods.ties.merge", "avg", ["methods.ties.merge: must be 'sum', 'mean' or 'max', got 'avg'"]),
        ("methods.again", {"label": "x"}, ["methods.again.algorithm: missing; known: pretrained,"]),
        ("methods.adamerging-layer.steps", 2.5, ["steps: must be a whole number, got 2.5"]),
        ("methods.adamerging-layer.steps", "300", ["must be a whole number, got '300'; write 300 without quotes"]),
        ("pools.mini.seed", -1, ["pools.mini.seed: must be at least 0, got -1"]),
        ("pools.images", {}, ["pools.images: the name 'images' is taken"]),
        ("pools.Mini", {}, ["pools.Mini: differs from 'mini' only in case"]),
        ("figures", {"scalings": [0.1, 0.1]}, ["figures.scalings: a value is listed twice"]),
        ("figures", {"scalings": [0.1]}, ["figures.scalings: needs at least 2 entries"]),
        ("pools", {}, ["config.yaml: pools: is empty"]),
        ("tasks", {"digits": {"folder": "x"}}, ["tasks.digits: the name 'digits' is taken"]),
        ("tasks", {"pretrained": {"folder": "x"}}, ["'pretrained' is taken"]),
        ("tasks", {"Digits": {"folder": "x"}}, ["tasks.Digits: the name 'digits' is taken"]),
        ("tasks", {"average": {"folder": "x"}}, ["tasks.average: the name 'average' is taken"]),
        ("tasks", {"mine": {}}, ["tasks.mine.folder: missing"]),
        ("tasks", {7: {"folder": "x"}}, ["tasks.7: a name must be text, got 7; put it in quotes"]),
        ("tasks", {"mine": {"folder": "x", "validation": 0.5}}, ["validation: must be less than 0.5, got 0.5"]),
        ("tasks", {"mine": {"folder": "x", "classes": {"a": "b", "c": "b"}}}, ["have the same class name"]),
        ("tasks", {"mine": {"folder": "x", "templates": ["no blank"]}}, ["exactly one {}"]),
        ("tasks", {"mine": {"folder": "x", "templates": ["{} of {name}"]}}, ["no braces but its one {}"]),
    ],
)
def test_values_at_fault_are_named(
    values: dict[str, Any], tmp_path: Path, key: str, value: object, messages: list[str]
) -> None:
    *above, last = key.split(".")
    inner = values
    for part in above:
        inner = inner[part]
    inner[last] = value
    told = faults_of(values, tmp_path)
    for message in messages:
        assert message in told


def test_all_faults_are_told_at_once(values: dict[str, Any], tmp_path: Path) -> None:
    values["methods"]["ties"]["kep"] = 1
    values["pols"] = {}
    values["suites"]["eight"].append("digts")
    told = faults_of(values, tmp_path)
    assert "methods.ties.kep: unknown key" in told
    assert "pols: unknown key" in told
    assert "suites.eight: unknown task 'digts'" in told


def test_the_file_that_sets_the_value_is_named(values: dict[str, Any], tmp_path: Path) -> None:
    over, last = tmp_path / "over.yaml", tmp_path / "last.yaml"
    over.write_text("methods: {ties: {keep: 20}}")
    last.write_text("methods: {ties: {label: TIES}}")
    values["methods"]["ties"] |= {"keep": 20, "label": "TIES"}
    with pytest.raises(ConfigError, match=r"over\.yaml: methods\.ties\.keep"):
        load_config(values, [SHIPPED, over, last])


def test_a_value_in_no_file_came_from_the_command_line(values: dict[str, Any]) -> None:
    values["methods"]["ties"]["keep"] = "0.5"
    with pytest.raises(ConfigError, match=r"\n  --config: methods\.ties\.keep: must be a number, got '0\.5'"):
        load_config(values, [SHIPPED])


def test_files_are_named_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "config.yaml").write_text("pools: {}\nsuites: {}\nmethods: {}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"\n  own/config\.yaml: pools: is empty"):
        load_config({"pools": {}, "suites": {}, "methods": {}}, [tmp_path / "own" / "config.yaml"])


def test_a_method_named_twice_is_refused(values: dict[str, Any], tmp_path: Path) -> None:
    twice = tmp_path / "twice.yaml"
    twice.write_text("methods:\n  mine: {algorithm: ties}\n  other: {algorithm: ties}\n  mine: {algorithm: ties}\n")
    with pytest.raises(ConfigError, match=r"twice\.yaml: 'mine' stands twice, in line 2 and line 4"):
        load_config(values, [twice])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pools: !!python/object/apply:os.system ['touch evil']\n", "not plain YAML"),
        ("pools: {\n", "not plain YAML"),
        ("- pools\n", "expected keys and values at the top, found list"),
        ("{a: b}: c\n", "the key in line 1 is no name"),
        ("\udcff", "cannot be read"),
    ],
)
def test_a_file_that_is_no_plain_yaml_is_refused(
    values: dict[str, Any], tmp_path: Path, text: str, message: str
) -> None:
    odd = tmp_path / "odd.yaml"
    odd.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=rf"odd\.yaml: {message}"):
        load_config(values, [odd])


def test_importing_the_configuration_imports_neither_torch_nor_pandas_nor_matplotlib() -> None:
    code = "import remerge.config, sys; sys.exit(bool({'torch', 'pandas', 'matplotlib'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_documentation_and_schema_are_in_step() -> None:
    assert (ROOT / "config" / "README.md").read_text(encoding="utf-8") == configuration_readme(), "run `make docs`"
    schema = ROOT / "workflow" / "schemas" / "config.schema.yaml"
    assert schema.read_text(encoding="utf-8") == configuration_schema(), "run `make docs`"


def test_every_key_is_described() -> None:
    for line in configuration_readme().splitlines():
        if line.startswith("| `"):
            assert len(line.rstrip(" |").rsplit("|", 1)[1].strip()) > 10, line


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
