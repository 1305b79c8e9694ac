"""What is made from what, for small configurations; and rules that only ask."""

import ast
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from remerge.config.models import Config
from remerge.errors import RemergeError
from remerge.figures.registry import FIGURES, Figure
from remerge.plan import Plan
from remerge.plan.downloads import Wanted
from remerge.plan.resources import Resources
from remerge.tasks import MINI_TASKS
from remerge.tasks.folder import FolderSummary

ROOT = Path(__file__).parent.parent
SHAPES = FolderSummary(("circ", "sq"), {}, "f00d")
NEEDS: dict[str, Any] = {"table": [1000, 10], "score": {"mini": [2000, 10], "ViT-B-32": [6000, 30]}}
ADA = {"label": "A", "algorithm": "adamerging"}
METHODS: dict[str, dict[str, Any]] = {
    "pretrained": {"label": "Pretrained", "algorithm": "pretrained"},
    "individual": {"label": "Individual", "algorithm": "individual"},
    "joint": {"label": "Joint", "algorithm": "traditional_mtl", "steps": 7},
    "averaging": {"label": "Averaging", "algorithm": "weight_averaging"},
    "fisher": {"label": "Fisher", "algorithm": "fisher"},
    "arithmetic": {"label": "Arithmetic", "algorithm": "task_arithmetic", "scaling": 0.3},
    "arithmetic-tuned": {
        "label": "Tuned",
        "algorithm": "task_arithmetic",
        "scaling": {"tune": "validation", "grid": [0.1, 0.2]},
    },
    "ties": {"label": "TIES", "algorithm": "ties"},
    "task-wise": {**ADA, "label": "Task-wise", "granularity": "task"},
    "applied": {**ADA, "label": "Applied", "keep": 0.2, "coefficients": "mine.csv"},
    "mine": {"label": "Mine", "algorithm": "own", "file": "mine.py"},
}
POOLS: dict[str, dict[str, Any]] = {
    "mini": {},
    "clip": {"origin": "fusionbench", "architecture": "ViT-B-32"},
}
STUDIES: dict[str, dict[str, Any]] = {
    "noise": {
        "kind": "robustness",
        "suite": "two",
        "tasks": ["latin"],
        "corruptions": ["pixelate"],
        "severity": 3,
        "methods": ["task-wise", "mine"],
    },
    "unseen": {"kind": "generalisation", "suite": "two", "unseen": [["latin"], ["digits"]], "methods": ["ties"]},
    "forget": {"kind": "negation", "suite": "one"},
}


class Pinned:
    """A lock file in which every test split is missing."""

    def of_files(self, wanted: Wanted) -> Mapping[str, Any]:
        return {"missing": "gone"} if "/test-" in wanted.patterns[0] else {"commit": wanted.repository}

    def of_pickle(self, name: str) -> Mapping[str, Any]:
        return {"id": name}

    def of_archives(self, task: str) -> Mapping[str, Any]:
        return {task: "sha256"}


def plan_of(*methods: str, pins: Pinned | None = None, **changes: Any) -> Plan:
    """A plan of some methods, or of all."""
    content = {
        "pools": POOLS,
        "suites": {"one": ["digits"], "two": ["latin", "digits"]},
        "methods": {name: METHODS[name] for name in methods or METHODS},
    }
    return Plan(Config.model_validate(content | changes), folders={"shapes": SHAPES}, needs=NEEDS, pins=pins)


def of_papers(pool: Mapping[str, Any], **changes: Any) -> Plan:
    """A plan of two of the papers' tasks."""
    suites = {"papers": ["MNIST", "SVHN"]}
    return plan_of("pretrained", "ties", pools={"clip": {"architecture": "ViT-B-32", **pool}}, suites=suites, **changes)


# Questions that return files of a pool and a suite.
FILES: dict[str, Callable[[Plan, str, str], Any]] = {
    "task vectors": lambda plan, pool, suite: plan.merging.task_vectors(pool, suite),
    "statistics": lambda plan, pool, suite: plan.merging.statistics(pool, suite, "fisher"),
    "merged encoders": lambda plan, pool, suite: plan.merging.encoders(pool, suite),
    "heads": lambda plan, pool, suite: plan.scores.heads(pool, suite),
    "scores": lambda plan, pool, suite: plan.scores.of_suite(pool, suite),
    "expert scores": lambda plan, pool, suite: plan.scores.of_experts(pool, suite),
    "sweeps": lambda plan, pool, suite: plan.scores.sweeps(pool, suite),
    "trajectories": lambda plan, pool, suite: plan.scores.trajectories(pool, suite),
    "costs": lambda plan, pool, suite: plan.tables.cost_files(pool, suite),
    "studies": lambda plan, pool, suite: plan.studies.scores_of_suite(pool, suite),
    "evidence": lambda plan, pool, suite: [
        path for paths in plan.figures.evidence(pool, suite, "steps").values() for path in paths
    ],
}


@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
def test_pools_and_suites_never_see_each_others_files(files: Callable[[Plan, str, str], list[str]]) -> None:
    plan = plan_of(studies=STUDIES)
    places = [(pool, suite) for pool in ("mini", "clip") for suite in ("one", "two")]
    found = {place: set(files(plan, *place)) for place in places}
    for pool, suite in places:
        assert found[pool, suite], "nothing is made"
        assert all(f"/{pool}/" in path for path in found[pool, suite])
        other = "two" if suite == "one" else "one"
        assert not any(f"/{other}/" in path for path in found[pool, suite])


def test_a_suites_files_follow_its_tasks() -> None:
    plan = plan_of()
    assert plan.merging.task_vectors("mini", "two") == [
        "results/mini/task_vectors/latin.safetensors",
        "results/mini/task_vectors/digits.safetensors",
    ]
    assert plan.images.of_suite("clip", "two", "validation") == [
        "results/images/224/latin/validation.safetensors",
        "results/images/224/digits/validation.safetensors",
    ]
    assert plan.images.audit("mini") == "results/images/32/audit.csv"


def test_one_more_task_at_the_end_of_a_suite_changes_no_other_tasks_pairs() -> None:
    before, after = plan_of(suites={"s": ["latin", "digits"]}), plan_of(suites={"s": ["latin", "digits", "greek"]})
    for task in ("latin", "digits"):
        assert before.tasks.up_to(task) == after.tasks.up_to(task)
        assert before.scores.experts_up_to("mini", task) == after.scores.experts_up_to("mini", task)
    assert after.tasks.up_to("greek") == ["latin", "digits", "greek"]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("with_encoder", [name for name in METHODS if name not in ("pretrained", "individual")]),
        ("merging", [name for name in METHODS if name not in ("pretrained", "individual", "joint")]),
        ("tuned", ["arithmetic-tuned"]),
        ("scaled", ["arithmetic", "arithmetic-tuned", "ties", "mine"]),
        # Both Task Arithmetic methods share a curve, because they differ only in the scaling.
        ("swept", ["arithmetic", "ties", "mine"]),
        ("learning", ["task-wise"]),
        ("plain_task_arithmetic", ["arithmetic"]),
    ],
)
def test_methods_of_each_kind(question: str, expected: list[str]) -> None:
    assert getattr(plan_of().methods, question)() == expected


def test_what_a_method_merges_by() -> None:
    merging = plan_of().merging
    place = ("mini", "one")
    assert merging.coefficients(*place, "task-wise") == "results/mini/coefficients/one/task-wise.csv"
    assert merging.coefficients(*place, "applied") == "mine.csv"
    assert merging.coefficients(*place, "ties") == []
    assert (
        merging.validation_sweep(*place, "arithmetic-tuned")
        == "results/mini/sweeps/one/arithmetic-tuned/validation.csv"
    )
    assert merging.validation_sweep(*place, "arithmetic") == []
    assert merging.encoder(*place, "pretrained") == "results/mini/weights/pretrained.safetensors"
    assert merging.encoder(*place, "ties") == "results/mini/merged/one/ties.safetensors"
    assert merging.gate("mini", "one") == []
    assert merging.gate("clip", "one") == "results/clip/tables/one/zero_shot_gate.csv"


def test_trimming_counts_what_the_authors_flatten_along() -> None:
    plan = of_papers({"origin": "task-vectors"})
    assert plan.merging.parameters("clip", "ties")["frozen_entries"] == plan.pools.frozen_entries("clip") > 0
    assert "frozen_entries" not in plan_of().merging.parameters("mini", "arithmetic")


def test_pools_without_training_images_are_not_scored_by_joint_training() -> None:
    plan = plan_of()
    assert "results/mini/scores/one/joint.csv" in plan.scores.of_suite("mini", "one")
    assert "results/clip/scores/one/joint.csv" not in plan.scores.of_suite("clip", "one")
    assert plan.methods.names("clip") == [name for name in METHODS if name != "joint"]
    assert plan.methods.joint_training("joint")["steps"] == 7


def test_merging_that_decomposes_matrices_asks_for_a_gpu_where_there_is_one() -> None:
    around = {"label": "L", "algorithm": "lines", "around": "iso_c"}
    methods = plan_of(
        methods={"ties": METHODS["ties"], "iso": {"label": "I", "algorithm": "iso_c"}, "l": around}
    ).methods
    assert {name: (methods.gpus(name, 0), methods.gpus(name, 1)) for name in ("ties", "iso", "l")} == {
        "ties": (0, 0),
        "iso": (0, 1),
        "l": (0, 1),
    }


def test_routers_are_learned_from_the_images_that_their_method_names() -> None:
    twin = {"label": "T", "algorithm": "twin", "around": "ties"}
    plan = plan_of(methods={"twin": twin, "moe": {"label": "M", "algorithm": "wemoe"}, "ties": METHODS["ties"]})
    for name, split in (("twin", "validation"), ("moe", "test")):
        assert plan.images.learned_from("mini", "one", name) == [f"results/images/32/digits/{split}.safetensors"]
        assert plan.merging.router("mini", "one", name) == f"results/mini/routers/one/{name}.safetensors"
    assert plan.merging.router("mini", "one", "ties") == []


def test_task_vectors_are_decomposed_where_a_method_merges_by_that() -> None:
    tsv = {"label": "T", "algorithm": "tsv_m"}
    lines = {"label": "L", "algorithm": "lines", "around": {"algorithm": "dc_merge", "qkv": "fused"}}
    smile = {"label": "S", "algorithm": "smile"}
    study = STUDIES["unseen"] | {"methods": ["ties", "lines"]}
    plan = plan_of(
        methods={"ties": METHODS["ties"], "tsv": tsv, "lines": lines, "smile": smile},
        studies={"unseen": study, "plain": STUDIES["unseen"]},
    )
    both = [f"results/mini/svd/{task}.safetensors" for task in ("latin", "digits")]
    assert [plan.merging.svds("mini", "two", name) for name in ("ties", "tsv", "lines", "smile")] == [[], *3 * [both]]
    assert (plan.studies.svds("mini", "unseen"), plan.studies.svds("mini", "plain")) == (both, [])
    assert plan.methods.svd_layouts() == ["fused", "split", "stored"]
    job = ("tsv", "benchmarks/jobs/mini/task_vector_svd/digits.tsv")
    assert job in plan.tables.costs("mini", "one")
    assert plan_of(studies=STUDIES).methods.svd_layouts() == []


def test_a_method_reruns_when_its_parameters_change_and_not_when_its_label_does() -> None:
    relabelled = plan_of(methods=METHODS | {"ties": METHODS["ties"] | {"label": "Other"}})
    trimmed = plan_of(methods=METHODS | {"ties": METHODS["ties"] | {"keep": 0.5}})
    parameters = plan_of().methods.parameters("ties")
    assert relabelled.methods.parameters("ties") == parameters != trimmed.methods.parameters("ties")
    assert relabelled.methods.unlabelled("mini") == plan_of().methods.unlabelled("mini")
    assert relabelled.methods.described("mini") != plan_of().methods.described("mini")


def test_grids_are_the_methods_on_validation_images_and_the_figures_on_test_images() -> None:
    scores = plan_of(figures={"scalings": [0.0, 0.5]}).scores
    assert scores.grid("arithmetic-tuned", "validation") == [0.1, 0.2]
    assert scores.grid("arithmetic-tuned", "test") == [0.0, 0.5]


@pytest.mark.parametrize(
    ("scalings", "split", "is_there"),
    [([0.0, 0.5], "test", True), ([0.0, 0.5], "validation", False), ([0.1, 0.5], "test", False)],
)
def test_a_sweep_takes_its_point_at_zero_from_the_pretrained_encoders_scores(
    scalings: list[float], split: str, is_there: bool
) -> None:
    figures = {"scalings": scalings}
    expected = ["results/mini/scores/one/pretrained.csv"] if is_there else []
    assert plan_of(figures=figures).scores.at_zero("mini", "one", split) == expected
    assert plan_of("arithmetic", figures=figures).scores.at_zero("mini", "one", split) == []


def test_a_trajectory_takes_its_last_point_from_the_methods_scores_if_the_curve_has_it() -> None:
    steps = plan_of().methods.parameters("task-wise")["steps"]
    for every, expected in ((steps, ["results/mini/scores/one/task-wise.csv"]), (steps + 1, [])):
        assert plan_of(figures={"every": every}).scores.at_last_step("mini", "one", "task-wise") == expected


def test_costs_are_of_the_jobs_that_make_an_encoder() -> None:
    plan = plan_of("pretrained", "individual", "joint", "fisher", "arithmetic-tuned", "task-wise")
    jobs = "benchmarks/jobs/mini"
    assert sorted(plan.tables.costs("mini", "one")) == sorted(
        [
            ("fisher", f"{jobs}/expert_statistics/fisher/digits.tsv"),
            ("fisher", f"{jobs}/merge_by_statistics/one/fisher.tsv"),
            ("fisher", f"{jobs}/merge/one/fisher.tsv"),
            ("arithmetic-tuned", f"{jobs}/merge_task_vectors/one/arithmetic-tuned.tsv"),
            ("arithmetic-tuned", f"{jobs}/merge/one/arithmetic-tuned.tsv"),
            ("arithmetic-tuned", f"{jobs}/sweep/one/arithmetic-tuned/validation.tsv"),
            ("task-wise", f"{jobs}/merge_task_vectors/one/task-wise.tsv"),
            ("task-wise", f"{jobs}/merge/one/task-wise.tsv"),
            ("task-wise", f"{jobs}/learn_coefficients/one/task-wise.tsv"),
            ("task-wise", "results/mini/costs/learn_coefficients/one/task-wise.tsv"),
        ]
    )
    assert list(
        zip(plan.tables.methods_of_costs("mini", "one"), plan.tables.cost_files("mini", "one"), strict=True)
    ) == (plan.tables.costs("mini", "one"))


def test_tables_over_seeds_read_the_pools_of_one_family() -> None:
    plan = plan_of(pools={"b": {"seed": 1}, "a": {"seed": 0}, "other": {"origin": "random"}})
    assert plan.pools.families() == {"b": {"a": 0, "b": 1}}
    assert plan.pools.over_seeds("b", "one", plan.scores.of_experts) == [
        "results/a/expert_scores/digits.csv",
        "results/b/expert_scores/digits.csv",
    ]
    assert plan.tables.claims_of_seeds("b", "two") == [
        "results/a/tables/two/claims.csv",
        "results/b/tables/two/claims.csv",
    ]


@pytest.mark.parametrize(
    ("methods", "suite", "missing"),
    [
        (tuple(METHODS), "two", {"layerwise_coefficients"}),
        (tuple(METHODS), "one", {"layerwise_coefficients", "conflicts", "suites"}),
        (
            ("pretrained", "ties"),
            "two",
            {"radar", "steps", "taskwise_coefficients", "layerwise_coefficients", "entropy"},
        ),
    ],
)
def test_figures_are_those_with_evidence(methods: tuple[str, ...], suite: str, missing: set[str]) -> None:
    never = {"fidelity_over_seeds", "heat_map", "valid_answers"}
    assert set(plan_of(*methods).figures.of_suite("mini", suite)) == set(FIGURES) - missing - never


SUITES = {
    "pair": ["digits", "latin"],
    "other": ["greek", "arrows", "latin"],
    "three": ["latin", "greek", "digits"],
    "again": ["digits", "latin", "greek"],
    "five": ["greek", "latin", "digits", "arrows", "games"],
}


@pytest.mark.parametrize(
    ("suite", "nested"),
    [
        ("pair", ["pair"]),
        ("other", ["other"]),
        ("three", ["pair", "three"]),
        ("again", ["pair", "again"]),
        ("five", ["other", "five"]),
    ],
)
def test_nested_suites_are_a_chain(suite: str, nested: list[str]) -> None:
    plan = plan_of("pretrained", "ties", suites=SUITES)
    assert plan.tasks.nested(suite) == {name: SUITES[name] for name in nested}
    assert plan.scores.of_nested("mini", suite) == [
        f"results/mini/scores/{name}/{method}.csv" for name in nested for method in ("pretrained", "ties")
    ]
    table = f"results/mini/tables/{suite}/suites.csv"
    assert (table in plan.tables.suites()) == (len(nested) > 1)
    assert plan.figures.sources["suites"]("mini", suite) == ([table] if len(nested) > 1 else [])


def test_methods_may_have_no_curve_over_lambda() -> None:
    plan = plan_of(figures={"without_curve": ["arithmetic", "mine", "nobody"]})
    assert plan.methods.swept() == ["arithmetic-tuned", "ties"]
    none = plan_of(figures={"without_curve": plan.methods.scaled()})
    assert none.merging.validation_sweep("mini", "one", "arithmetic-tuned")
    assert "scalings" not in none.figures.of_suite("mini", "one")


def test_a_suite_without_curves_has_none_and_keeps_what_is_tuned() -> None:
    plan = plan_of(figures={"curves": ["two"]})
    assert plan.scores.swept("two") == plan.methods.swept()
    assert plan.scores.learned("two") == plan.methods.learning()
    assert plan.scores.swept("one") == plan.scores.sweeps("mini", "one") == []
    assert plan.scores.learned("one") == plan.scores.trajectories("mini", "one") == []
    assert set(plan_of().figures.of_suite("mini", "one")) - set(plan.figures.of_suite("mini", "one")) == {
        "scalings",
        "steps",
    }
    assert plan.merging.validation_sweep("mini", "one", "arithmetic-tuned")


def test_small_pools_are_compared_with_the_papers_alone_and_over_seeds() -> None:
    plan = plan_of(pools={"b": {"seed": 1}, "a": {"seed": 0}, "single": {"origin": "random"}} | POOLS)
    for pool, figures in {
        "b": ["fidelity", "fidelity_over_seeds"],
        "a": ["fidelity"],
        "single": [],
        "clip": [],
    }.items():
        assert [name for name in plan.figures.of_suite(pool, "two") if "fidelity" in name] == figures
        assert [name for name in plan.report.section(pool, "two")["figures"] if "fidelity" in name] == figures
        tables = [path for path in plan.tables.fidelity() if path.startswith(f"results/{pool}/tables/two/fidelity")]
        assert [Path(path).stem for path in tables] == figures
    assert plan.figures.evidence("b", "two", "fidelity_over_seeds")["fidelity_over_seeds"] == [
        "results/b/tables/two/fidelity_over_seeds.csv",
        "results/b/tables/two/correlation_over_seeds.csv",
    ]
    assert list(plan.figures.methods_shown("b", "fidelity")) == plan.methods.names("b")
    assert plan.pools.joined("b", "") == {"b": 1}
    assert plan.tables.cosines("b", "one", "_over_seeds") == [
        f"results/{pool}/tables/one/cosine.csv" for pool in plan.pools.joined("b", "_over_seeds")
    ]


def test_a_suite_of_more_tasks_than_the_papers_merge_is_not_compared_with_them() -> None:
    plan = plan_of(suites={"eight": list(MINI_TASKS)[:8], "nine": list(MINI_TASKS)[:9]})
    assert [path.split("/")[3] for path in plan.tables.fidelity()] == ["eight", "eight"]
    for what in ("figures", "tables"):
        in_report = {suite: plan.report.section("mini", suite)[what] for suite in ("eight", "nine")}
        assert "fidelity" in in_report["eight"]
        assert not {"fidelity", "regime"} & {*in_report["nine"]}


@pytest.mark.parametrize(
    ("figure", "said"),
    [(Figure(("scorez",), ""), "needs: unknown 'scorez'"), (Figure(("scores",), ""), "new.py, which is to draw it")],
)
def test_a_figure_that_cannot_be_drawn_is_refused(monkeypatch: pytest.MonkeyPatch, figure: Figure, said: str) -> None:
    monkeypatch.setitem(FIGURES, "new", figure)
    with pytest.raises(RemergeError, match=re.escape(said)):
        plan_of()


def test_figures_show_the_methods_that_their_evidence_is_of() -> None:
    figures = plan_of().figures
    assert figures.methods_shown("mini", "cosine") == {}
    assert list(figures.methods_shown("mini", "accuracies")) == list(METHODS)
    assert list(figures.methods_shown("mini", "taskwise_coefficients")) == ["task-wise"]
    assert set(figures.methods_shown("mini", "accuracies")["ties"]) == {"label", "algorithm", "looks"}
    assert {"looks", "scaling"} <= set(figures.methods_shown("mini", "scalings")["ties"])


def test_each_part_of_a_study_has_its_images() -> None:
    studies = plan_of(studies=STUDIES).studies
    assert studies.scores("mini", "noise") == [
        "results/mini/studies/noise/clean.csv",
        "results/mini/studies/noise/pixelate.csv",
    ]
    assert studies.test_images("mini", "noise", "clean") == ["results/images/32/latin/test.safetensors"]
    assert studies.test_images("clip", "noise", "pixelate") == [
        "results/images/224/latin/corrupted/pixelate-3.safetensors"
    ]
    assert studies.task_vectors("mini", "noise") == ["results/mini/task_vectors/latin.safetensors"]
    assert len(studies.heads("mini", "unseen")) == 2
    assert studies.validation_images("mini", "forget") == ["results/images/32/digits/validation.safetensors"]
    assert studies.validation_images("mini", "unseen") == []
    assert studies.settings("unseen", "split-2")["unseen"] == ["digits"]
    assert studies.drawn("noise") is None


def test_a_studys_methods_learn_as_it_says_and_others_are_as_configured() -> None:
    plain = plan_of(studies=STUDIES).studies
    given = {"noise": STUDIES["noise"] | {"steps": 3, "batch_size": 2, "images": 7}}
    changed = plan_of(studies=given).studies
    before, after = (studies.parameters("noise") for studies in (plain, changed))
    assert after == before | {"task-wise": before["task-wise"] | {"steps": 3, "batch_size": 2}}
    assert changed.drawn("noise") == 7
    assert changed.settings("noise", "clean") == plain.settings("noise", "clean")
    unseen = {"unseen": STUDIES["unseen"] | {"images": 7}}
    assert plan_of(studies=unseen).studies.settings("unseen", "split-1") == plain.settings("unseen", "split-1")


def test_a_study_depends_on_the_code_of_its_kind_and_methods() -> None:
    studies = plan_of(studies=STUDIES).studies
    assert studies.code("noise")[0] == "remerge/studies/robustness.py:variants"
    assert studies.code("unseen") == ["remerge/studies/generalisation.py:variants", "remerge/methods/ties.py"]
    # Which tasks a table is of is said by the study's settings.
    assert studies.table_code("noise") == [f"remerge/studies/robustness.py:{x}" for x in ("Settings", "table", "NOTE")]
    for name in STUDIES:
        code = studies.code(name) + studies.table_code(name) + studies.figure_code(name)
        assert all((ROOT / file.partition(":")[0]).is_file() for file in code)
    assert studies.kinds("two") == {"noise": "robustness", "unseen": "generalisation"}
    assert all(file.endswith(":encoders") for file in studies.encoders_code("two"))
    assert studies.files("noise") == ["mine.py"]
    assert studies.files("unseen") == []


def test_studies_of_a_suite_name_each_of_its_scores() -> None:
    studies = plan_of(studies=STUDIES).studies
    assert studies.studies_of_scores("two") == ["noise", "noise", "unseen", "unseen"]
    assert [Path(path).parent.name for path in studies.scores_of_suite("mini", "two")] == [
        "noise",
        "noise",
        "unseen",
        "unseen",
    ]
    assert studies.scores_of_suite("mini", "one") == ["results/mini/studies/forget/all.csv"]


def test_looks_in_a_study_depend_on_the_methods_before_its_own() -> None:
    looks = plan_of(studies=STUDIES).studies.looks("unseen")
    assert list(looks) == list(METHODS)[: list(METHODS).index("ties") + 1]
    assert looks["ties"]["label"] == "TIES"
    assert looks["averaging"]["label"] == "averaging"


@pytest.mark.parametrize(
    ("images", "record", "source"),
    [
        ({}, "results/downloads/MNIST/train.json", "hub"),
        ({"source": "torchvision"}, "results/downloads/MNIST/torchvision.json", "torchvision"),
        ({"source": "none"}, [], "none"),
        ({"folder": "here"}, [], "folder"),
    ],
)
def test_images_come_from_one_source(images: dict[str, str], record: str | list[str], source: str) -> None:
    plan = of_papers({"origin": "fusionbench"}, clip_tasks={"MNIST": images})
    assert plan.images.record("MNIST", "validation") == record
    assert plan.images.source("MNIST") == source
    assert ("MNIST" in plan.downloads.tasks_from("hub")) is (source == "hub")
    assert plan.images.folder("MNIST") == images.get("folder")
    # Class folders have the classes' names; elsewhere labels are numbers.
    assert isinstance(plan.images.labels("MNIST")[0], str if source == "folder" else int)
    recorded = [path for path in plan.downloads.records() if "/MNIST/" in path]
    parts = {"hub": ["train.json", "test.json"], "torchvision": ["torchvision.json"]}.get(source, [])
    assert [Path(path).name for path in recorded] == parts


def test_a_task_of_the_users_is_read_from_its_folder() -> None:
    plan = plan_of(tasks={"shapes": {"folder": "there", "validation": 0.2, "templates": ["a {}."]}})
    assert plan.images.source("shapes") == "own"
    assert (plan.images.folder("shapes"), plan.images.held_out("shapes")) == ("there", 0.2)
    assert plan.images.fingerprint("shapes") == "f00d"
    assert plan.images.record("shapes") == plan.images.labels("shapes") == []
    assert plan.tasks.texts("shapes") == {"classes": ["circ", "sq"], "templates": ["a {}."]}


def test_only_test_images_are_drawn() -> None:
    images = of_papers({"origin": "fusionbench"}, clip_tasks={"MNIST": {"test_images": 5}}).images
    assert (images.drawn("MNIST"), images.drawn("MNIST", "validation"), images.drawn("SVHN")) == (5, None, None)
    assert images.draws() == {"MNIST": 5}


def test_training_images_are_kept_in_the_sizes_that_are_trained_on() -> None:
    images = plan_of().images
    assert (images.sizes_trained_on(), images.sizes_not_trained_on()) == (["32"], ["224"])
    assert images.tasks_of_size("32") == ["digits", "latin"]
    assert images.tasks_of_size("64") == images.hashes("64") == []
    assert len(images.hashes("224")) == 2 * 3


@pytest.mark.parametrize(
    ("pool", "records"),
    [
        ({"origin": "finetuned"}, ["results/clip/downloads/openai.json"]),
        (
            {"origin": "fusionbench"},
            [f"results/clip/downloads/{name}.json" for name in ("openai", "MNIST", "SVHN")],
        ),
        (
            {"origin": "task-vectors"},
            [
                "results/clip/downloads/openai.json",
                *(
                    f"results/downloads/task-vectors/ViT-B-32/{name}.json"
                    for name in ("MNIST/finetuned", "SVHN/finetuned", "zeroshot")
                ),
            ],
        ),
        ({"origin": "task-vectors", "folder": "here"}, ["results/clip/downloads/openai.json"]),
        ({"origin": "random"}, []),
    ],
)
def test_each_origin_has_its_downloads(pool: dict[str, str], records: list[str]) -> None:
    sources = {"MNIST": {"source": "none"}, "SVHN": {"source": "none"}}
    downloads = of_papers(pool, clip_tasks=sources).downloads
    assert downloads.records() == records
    assert downloads.lock() == (["results/downloads.lock.yaml"] if records else [])


def test_pickles_lie_in_a_folder_or_are_downloaded() -> None:
    given, fetched = (of_papers({"origin": "task-vectors", **more}).downloads for more in ({"folder": "here"}, {}))
    assert given.pickle("clip", "MNIST") == "here/ViT-B-32/MNIST/finetuned.pt"
    assert given.pickle_record("clip", "MNIST") == fetched.pickle("clip", "MNIST") == []
    assert fetched.pickle_record("clip", "pretrained") == "results/downloads/task-vectors/ViT-B-32/zeroshot.json"


def test_what_a_lock_file_says_to_be_missing_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record = Path("results/downloads/MNIST/test.json")
    record.parent.mkdir(parents=True)
    record.write_text('{"attempt": 2, "missing": "gone"}')
    pool = {"origin": "fusionbench"}
    assert of_papers(pool).downloads.attempt("MNIST", "test") == 3
    assert of_papers(pool).downloads.images_pin("MNIST", "test") is None
    pinned = of_papers(pool, pins=Pinned()).downloads
    assert pinned.attempt("MNIST", "test") == 1
    assert pinned.images_pin("MNIST", "test") == {"missing": "gone"}
    assert pinned.pickle_pin("ViT-B-32", "MNIST/finetuned") == {"id": "ViT-B-32/MNIST/finetuned.pt"}
    # Read once: Snakemake removes a record before it is made again.
    tried = of_papers(pool).downloads
    record.unlink()
    assert tried.attempt("MNIST", "test") == 3


def test_resources_grow_with_every_attempt_and_follow_the_architecture() -> None:
    resources = plan_of().resources
    assert [resources.memory("score", attempt, "clip") for attempt in (1, 2)] == [6000, 12000]
    assert resources.minutes("score", 3, "mini") == 30
    assert resources.memory("table", 1) == resources.memory("table", 1, "clip") == 1000


def test_what_jobs_ask_for_follows_the_number_of_tasks_as_the_documentation_says() -> None:
    documented = re.findall(
        r"^\| .*\(`(\w+)`\) \| (\d+) \| (.*) \|$", (ROOT / "docs/cluster.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {count for _, count, _ in documented} == {"8", "14", "20"}
    needs = yaml.safe_load((ROOT / "workflow/resources.yaml").read_text(encoding="utf-8"))
    pools = {name: {"origin": "finetuned", "architecture": name} for name in ("ViT-B-32", "ViT-B-16", "ViT-L-14")}
    for work, count, cells in documented:
        suites = {"s": list(MINI_TASKS)[: int(count)]}
        studies = {"pairs": {"kind": "pairs", "suite": "s"}}
        plan = plan_of("pretrained", pools=pools, suites=suites, studies=studies)
        resources = Resources(plan.resources.config, needs)
        for of in ({"suite": "s"}, {"study": "pairs"}):
            asked = [(resources.memory(work, 1, p, **of), resources.minutes(work, 1, p, **of)) for p in pools]
            assert cells.split(" | ") == [f"{memory / 1000:.1f} GB, {minutes} min" for memory, minutes in asked]
        assert resources.memory(work, 2, "ViT-B-32") == 2 * needs[work]["ViT-B-32"][0]


def test_no_other_job_depends_on_the_number_of_tasks() -> None:
    documented = set(re.findall(r"\(`(\w+)`\)", (ROOT / "docs/cluster.md").read_text(encoding="utf-8")))
    texts = [path.read_text(encoding="utf-8") for path in RULES]
    rules = [rule for text in texts for rule in re.split(r"^(?:use )?rule ", text, flags=re.MULTILINE)[1:]]
    # Local jobs, such as tables, are not submitted.
    submitted = [rule for rule in rules if "localrule" not in rule and re.search(r"/\{(suite|study)\}", rule)]
    asked = [arguments for rule in submitted for arguments in re.findall(r"of\(plan\.resources\.\w+, (.*)\)", rule)]
    assert len(asked) > 20
    for arguments in asked:
        (work,) = re.findall(r'work="(\w+)"', arguments)
        assert work in documented or "suite=None" in arguments, work


def test_without_cross_scores_nothing_grows_with_the_square_of_the_tasks() -> None:
    suites = {"s": ["latin", "digits", "greek"]}
    plan = plan_of(suites=suites, cross_scores=False)
    assert plan.tasks.up_to("greek") == ["greek"]
    assert plan.scores.experts_up_to("mini", "greek") == ["results/mini/weights/greek.safetensors"]
    assert plan.images.up_to("mini", "greek", "test") == ["results/images/32/greek/test.safetensors"]
    assert "experts" not in plan.tables.of_every_suite()
    assert "experts" not in plan.report.section("mini", "s")["tables"]
    assert "experts" in plan_of(suites=suites).tables.of_every_suite()


@pytest.mark.parametrize(("count", "drawn"), [(8, {"accuracies", "radar"}), (9, {"heat_map"})])
def test_figures_with_a_mark_for_every_task_give_way_to_a_heat_map(count: int, drawn: set[str]) -> None:
    plan = plan_of(suites={"s": list(MINI_TASKS)[:count]})
    assert {"accuracies", "radar", "heat_map"} & set(plan.figures.of_suite("mini", "s")) == drawn


def test_what_is_odd_about_a_task_is_told_where_it_applies() -> None:
    pools = {
        "leaked": {"origin": "tall-masks-leaked", "architecture": "ViT-B-32", "folder": "x"},
        "corrected": {"origin": "tall-masks", "architecture": "ViT-B-32"},
    }
    plan = plan_of("pretrained", pools=pools, suites={"s": ["DTD", "MNIST", "Food101"]})
    assert set(plan.tasks.remarks("leaked", "s")) == {"DTD", "Food101"}
    assert set(plan.tasks.remarks("corrected", "s")) == {"Food101"}
    assert "trained on test images" in plan.tasks.remarks("leaked", "s")["DTD"]


def test_the_tall_masks_authors_checkpoints_are_fetched_or_found_in_a_folder() -> None:
    origin = {"origin": "tall-masks", "architecture": "ViT-B-32"}
    suites = {"s": ["EMNIST-digits", "MNIST"]}
    fetched = plan_of("pretrained", pools={"p": origin}, suites=suites).downloads
    assert fetched.checkpoints("p") == ["openai", "EMNIST-digits", "MNIST"]
    wanted = fetched.checkpoint("p", "EMNIST-digits")
    assert wanted.repository == "nik-dim/tall_masks"
    assert wanted.patterns == ["single_task/ViT-B-32/EMNISTVal/nonlinear_finetuned.pt"]
    assert fetched.pickle("p", "MNIST") == []
    assert fetched.pickle_record("p", "MNIST") == "results/p/downloads/MNIST.json"
    found = plan_of("pretrained", pools={"p": origin | {"folder": "mine"}}, suites=suites).downloads
    assert found.checkpoints("p") == ["openai"]
    assert found.pickle("p", "EMNIST-digits") == "mine/ViT-B-32/EMNISTVal/nonlinear_finetuned.pt"
    assert found.pickle_record("p", "MNIST") == []


def test_the_report_has_a_section_for_every_pool_and_suite() -> None:
    plan = plan_of(studies=STUDIES, pools=POOLS | {"late": {"seed": 1}})
    sections = {(section["pool"], section["suite"]): section for section in plan.report.sections()}
    assert list(sections) == [(pool, suite) for pool in ("mini", "clip", "late") for suite in ("one", "two")]
    assert list(sections["mini", "one"]["tables"]) == [
        "main_over_seeds", "main", "leaderboard", "fidelity_over_seeds", "fidelity", "regime_over_seeds", "regime",
        "claims_over_seeds", "claims", "forget", "experts", "cost",
    ]  # fmt: skip
    assert list(sections["clip", "two"]["tables"]) == [
        "main", "suites", "leaderboard", "comparison", "claims", "noise", "unseen", "experts", "cost",
    ]  # fmt: skip
    assert "forget" in sections["late", "one"]["figures"]
    assert plan.report.files()["audits"] == ["results/images/32/audit.csv", "results/images/224/audit.csv"]
    assert len(plan.report.files()["tables"]) == sum(
        len(files) for section in sections.values() for files in section["tables"].values()
    )
    assert [Path(file).suffix for file in sections["mini", "one"]["tables"]["forget"]] == [".md", ".csv", ".tex"]
    assert sections["mini", "one"]["evidence"]["sweeps"] == plan.scores.sweeps("mini", "one")


RULES = [ROOT / "Snakefile", ROOT / "workflow" / "settings.smk", *sorted((ROOT / "workflow" / "rules").glob("*.smk"))]


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_rules_ask_the_plan_and_decide_nothing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "SimpleNamespace" not in text
    assert not re.search(r"^\s*(def|class) ", text, re.MULTILINE)
    for line in text.splitlines():
        if "lambda" in line:
            (expression,) = re.findall(r"=(lambda .*),$", line.strip()) or [""]
            assert expression, f"a lambda longer than its line: {line.strip()}"
            assert "settings" not in expression
            ast.parse(expression, mode="eval")
