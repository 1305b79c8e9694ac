"""Published numbers meet methods of the same algorithm and parameters, whatever these are called."""

import json
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter
from snakemake.utils import update_config

from remerge.config import load_config
from remerge.config.methods import AnyMethod
from remerge.errors import RemergeError
from remerge.figures.evidence import Evidence
from remerge.figures.scalings import draw
from remerge.findings.claimed_scores import Scores
from remerge.findings.claims import of_run, read_claims
from remerge.findings.claims_tables import claims_table
from remerge.findings.comparison import OTHER_PARAMETERS, compare, comparison_markdown
from remerge.findings.published import of_pool, read_published
from remerge.methods.measured import curves_as, published_as, read_measured
from remerge.methods.registry import ALGORITHMS
from remerge.plan.methods import Methods as Questions
from remerge.run.strict_yaml import read_yaml
from remerge.scoring.answers import pack_right
from remerge.scoring.scores import write_scores

ROOT = Path(__file__).parent.parent
MEASURED = read_measured(ROOT / "published/methods.yaml")
PRESETS = ("clip-vit-b-32", "clip-vit-b-16", "clip-vit-l-14")
# The families of checkpoints that a pool can be of.
POOLS = ("task-vectors", "fusionbench")
# Not everything was reported: of these algorithms, of the search of PCB-Merging, of how FusionBench trained on
# all tasks, and of any method on families that no pool can be of.
PARTLY_REPORTED = (
    *("fisher", "regmean", "lot", "mats", "traditional_mtl", "consensus", "pcb", "cart", "iso_c", "iso_cts"),
    *("dare", "svc", "smile", "twin"),
)
# The rows that this file adds to a preset.
FIELD = read_yaml(ROOT / "config/mini-field.yaml")["methods"]
# FusionBench measured these with other parameters than their authors, whose parameters the field's rows have.
OTHERWISE = {"tsv-m", "iso-c", "iso-cts", "wudi"}

Methods = dict[str, dict[str, Any]]


def methods_of(preset: str | None = None) -> Methods:
    """The methods of the default configuration, or of a preset with the rest of the field."""
    files = [ROOT / "config.yaml"]
    files += [ROOT / "config" / f"{name}.yaml" for name in (preset, "mini-field")] if preset else []
    values: dict[str, Any] = {}
    for file in files:
        update_config(values, read_yaml(file))
    config = load_config(values, files)
    asked = Questions(config)
    return {name: asdict(method) | asked.parameters(name) for name, method in config.methods.items()}


@pytest.fixture
def methods() -> Methods:
    return methods_of(PRESETS[0])


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("origin", POOLS)
def test_every_number_published_for_a_presets_pools_is_compared_with_the_method_of_its_name(
    preset: str, origin: str
) -> None:
    found = published_as(methods_of(preset), MEASURED[origin])
    expected = MEASURED[origin].keys() - (OTHERWISE if origin == "fusionbench" else set())
    # The rest has an algorithm of which others published other parameters.
    assert {name: known for name, known in found.items() if known} == {name: name for name in expected}


def test_every_published_row_says_what_it_was_measured_with() -> None:
    for table in ("main", "curves"):
        rows = pd.read_csv(ROOT / f"published/{table}.csv")
        for origin, method in set(zip(rows["origin"], rows["method"], strict=True)):
            assert method in MEASURED[origin]


def test_what_was_measured_is_written_in_the_words_of_the_configuration() -> None:
    # Read strictly: no key stands twice.
    assert read_yaml(ROOT / "published/methods.yaml").keys() == MEASURED.keys()
    for origin, known in MEASURED.items():
        for name, own in known.items():
            for parameters in (own.parameters, {**own.parameters, **own.comparable}):
                if ALGORITHMS[own.algorithm].kind == "adapters":
                    # In the configuration it is the name of a method; here, what that method is.
                    TypeAdapter(AnyMethod).validate_python({"label": "x", **parameters["around"]})
                    parameters = {**parameters, "around": "x"}
                method = TypeAdapter(AnyMethod).validate_python({"label": "x", **parameters})
                told = {"algorithm": method.algorithm, **method.parameters()}
                assert {key: told[key] for key in parameters} == parameters
                idle = {"scope"} if told.get("keep", 0) is None else set()
                if origin in POOLS and own.algorithm not in PARTLY_REPORTED:
                    assert told.keys() - parameters.keys() == idle, f"{origin}.{name}"


def test_entries_without_an_algorithm_are_refused(tmp_path: Path) -> None:
    (tmp_path / "methods.yaml").write_text("here: {ties: {keep: 0.2}}")
    with pytest.raises(RemergeError, match=r"methods.yaml: here.ties: names no algorithm"):
        read_measured(tmp_path / "methods.yaml")


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("ties", {"scaling": 0.4}),
        ("ties", {"scope": "tensor"}),
        ("ties-mean", {"scaling": {"tune": "validation", "grid": [0.2, 0.4]}}),
        ("task-arithmetic", {"scaling": 0.2}),
        ("adamerging-layer", {"steps": 100}),
        ("adamerging-layer", {"coefficients": "mine.csv"}),
        ("adamerging-layer-pp", {"keep": 0.1}),
    ],
)
def test_a_changed_parameter_leaves_no_published_number(methods: Methods, name: str, changed: dict[str, Any]) -> None:
    methods[name] |= changed
    assert published_as(methods, MEASURED["task-vectors"])[name] == ""


def test_regmean_of_fusionbench_has_its_off_diagonal_factor(methods: Methods) -> None:
    methods["regmean"]["off_diagonal"] = 0.5
    assert published_as(methods, MEASURED["fusionbench"])["regmean"] == ""


def scores_of(methods: Methods) -> pd.DataFrame:
    rows = [
        {"method": name, "task": task, "split": "test", "correct": 500, "n": 1000}
        for name in methods
        for task in ("MNIST", "DTD")
    ]
    return pd.DataFrame(rows)


def compared(methods: Methods, origin: str = "task-vectors") -> pd.DataFrame:
    known = MEASURED[origin]
    own = of_pool(read_published(ROOT / "published/main.csv"), origin, "ViT-B-32")
    notes = {name: each.note for name, each in known.items()}
    names = published_as(methods, known)
    eight = ["MNIST", "DTD", "SUN397", "Cars", "RESISC45", "EuroSAT", "SVHN", "GTSRB"]
    return compare(scores_of(methods), own, list(methods), eight, {}, {}, names, notes, {})


def test_a_renamed_method_is_compared_and_a_changed_one_gets_no_verdict(methods: Methods) -> None:
    ties = methods["ties"]
    methods = {"mine": ties | {"label": "Mine"}, "ties": ties | {"scaling": 0.4}, "median": {"algorithm": "own"}}
    table = compared(methods)
    mine, changed = table[table["method"] == "mine"], table[table["method"] == "ties"]
    assert mine["task"].tolist() == ["MNIST", "DTD", "average (2/8)"]
    assert mine["published"].tolist()[:2] == [98.3, 54.2]
    assert changed["task"].tolist() == ["average (2/8)"]
    assert changed["flags"].tolist() == [OTHER_PARAMETERS] == ["no published number for these parameters"]
    assert changed["ours"].tolist() == [50]
    assert changed[["published", "difference", "agrees"]].isna().all(axis=None)
    assert "median" not in set(table["method"])
    (line,) = [
        line
        for line in comparison_markdown(table, {"mine": "Mine", "ties": "TIES"}).splitlines()
        if OTHER_PARAMETERS in line
    ]
    assert [cell.strip() for cell in line.split("|")[1:-1]] == [
        *("TIES", "average (2/8)", "50.0", "", "", "", ""),
        OTHER_PARAMETERS,
    ]


def test_numbers_of_a_comparable_setting_say_so(methods: Methods) -> None:
    table = compared(methods, "fusionbench").set_index(["method", "task"])
    assert "1,000 steps of 16 images" in table.loc[("adamerging-layer", "MNIST"), "flags"]
    assert "1,000 steps" not in table.loc[("ties", "MNIST"), "flags"]


def test_claims_follow_a_renamed_method_and_say_where_one_has_other_parameters(
    methods: Methods, tmp_path: Path
) -> None:
    renamed = {"mine" if name == "ties" else name: method for name, method in methods.items()}
    renamed["task-arithmetic"] = renamed["task-arithmetic"] | {"scaling": 0.2}
    claims = of_run(read_claims(ROOT / "published/claims.yaml"), renamed, MEASURED)
    files, right = {}, np.array([True, True, False, False])
    for name in renamed:
        files[name] = tmp_path / f"{name}.csv"
        write_scores(files[name], scores_of({name: {}}).assign(n=4, correct=2, right=pack_right(right)))
    scores = Scores(methods=files)
    table = claims_table(claims, scores, {}, "ViT-B-32", "task-vectors").set_index("id")
    other = "published with other parameters: task-arithmetic"
    assert table.loc["adamerging-above-ties", "caveats"] == ""
    assert table.loc["ties-above-task-arithmetic", "caveats"] == other
    assert table.loc["adamerging-far-above-task-arithmetic", "caveats"] == other
    # Curves are of the first method that differs in nothing but the scaling, and studies of the method itself.
    peak, unseen = claims["ties-peak-above-task-arithmetic-peak"], claims["unseen-above-ties"]
    assert (peak.above.sweep, peak.below.sweep, unseen.below.method) == (  # type: ignore[union-attr]
        *("mine", "task-arithmetic"),
        "mine",
    )


def test_claims_of_the_default_benchmark_stay_with_its_methods() -> None:
    before = read_claims(ROOT / "published/claims.yaml")
    after = of_run(before, methods_of(), MEASURED)
    assert all((own.above, own.below) == (before[name].above, before[name].below) for name, own in after.items())
    assert after["layer-wise-above-task-wise"].other_parameters == ("adamerging-layer", "adamerging-task")
    # Without published numbers, too.
    assert after["adamerging-above-any-lambda"].other_parameters == ("adamerging-layer",)


def test_claims_of_the_field_are_judged_with_its_methods_alone() -> None:
    claims = read_claims(ROOT / "published/claims.yaml")

    def judged(methods: Methods) -> set[str]:
        found = set()
        for name, own in of_run(claims, methods, MEASURED).items():
            sides = [vars(side) for side in (own.above, own.below)]
            named = [side[key] for side in sides for key in ("method", "sweep", "trajectory") if key in side]
            if set(named) <= methods.keys():
                found.add(name)
        return found

    # The rows of the three papers come first.
    by_papers = judged(dict(islice(methods_of().items(), 14)))
    assert judged(methods_of("mini-field")) == claims.keys()
    assert {"task-arithmetic-above-fisher", "fisher-above-task-arithmetic"} <= by_papers < judged(methods_of())
    assert len(claims.keys() - by_papers) >= 25


def test_published_curves_are_drawn_onto_the_method_whose_curve_they_are(methods: Methods, tmp_path: Path) -> None:
    chosen = {
        "mine": methods["ties"] | {"scaling": 0.9, "label": "Mine", "looks": "ties"},
        "other": methods["task-arithmetic"] | {"label": "Other", "looks": "task_arithmetic"},
    }
    assert curves_as(chosen, MEASURED["task-vectors"])["ties"] == "mine"
    rows = [
        {"method": name, "scaling": scaling, "task": "MNIST", "split": "test", "correct": 5, "n": 10}
        for name in chosen
        for scaling in (0.0, 1.0)
    ]
    files = {"sweeps": [str(tmp_path / "sweeps.csv")], "scores": [str(tmp_path / "scores.csv")], "records": []}
    write_scores(files["sweeps"][0], pd.DataFrame(rows))
    write_scores(files["scores"][0], scores_of({"nobody": {}}))
    files |= {
        "published_curves": [str(ROOT / "published/curves.csv")],
        "published_methods": [str(ROOT / "published/methods.yaml")],
    }
    # A method may have no curve.
    record = {"method": "elsewhere", "scaling": 0.2}
    files["records"] = [str(tmp_path / "elsewhere.json")]
    Path(files["records"][0]).write_text(json.dumps(record))
    chosen["elsewhere"] = {"algorithm": "magmax", "scaling": 0.2, "label": "Elsewhere", "looks": "magmax"}
    evidence = Evidence(files, ["MNIST"], chosen, "task-vectors", "ViT-B-32")
    _, legend = draw(evidence).axes[0].get_legend_handles_labels()
    assert {"Mine, published", "Other, published"} <= set(legend)
    chosen["mine"]["keep"] = 0.1
    _, legend = draw(evidence).axes[0].get_legend_handles_labels()
    assert "Mine, published" not in legend
