"""Studies: their variants against dense formulas, their tables against arithmetic by hand, their images seeded."""

import random
import re
import subprocess
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import save_file

from remerge.checkpoints.weights import Weights
from remerge.errors import RemergeError
from remerge.figures.conflicts import conflicts_figure
from remerge.figures.style import looks, save_figure
from remerge.findings.cost import cost_table
from remerge.findings.tables import write_csv
from remerge.images.store import ImageSet
from remerge.merging.conflicts import sign_conflicts
from remerge.run.markup import LATEX, MARKDOWN
from remerge.run.resume import write_earlier
from remerge.run.sources import source_files
from remerge.scoring.bench import Bench, Variant
from remerge.scoring.scores import read_parts, write_scores
from remerge.studies.drawing import study_figure
from remerge.studies.kind import load
from remerge.studies.methods import Merging
from remerge.studies.registry import KINDS
from remerge.studies.settings import Study
from remerge.studies.tables import notes, rounded, study_table
from remerge.studies.task_counts import random_subsets

ROOT = Path(__file__).parent.parent
STUDIES: dict[str, dict[str, Any]] = {
    "generalisation": {"unseen": [["a"]], "methods": ["m"]},
    "robustness": {"tasks": ["a", "b"], "methods": ["m"]},
    "task_counts": {"counts": [1, 2], "subsets": 9, "methods": ["m"]},
    "ties_ablation": {"keep": 0.5, "scaling": 0.3},
    "ties_density": {"keep": [0.5]},
    "redundancy": {"keep": [0.5, 1.0]},
    "pairs": {},
    "negation": {"scalings": [0.0, 0.5]},
}


def study_of(kind: str, **settings: Any) -> Study:
    return load(kind).Settings.model_validate({"kind": kind, "suite": "s", **STUDIES[kind], **settings})


class Unmerged(Merging):
    """Methods whose merges show by their columns alone what was merged; all tasks have images."""

    def __init__(self, tasks: str) -> None:
        super().__init__({"m": {"algorithm": "weight_averaging"}}, SimpleNamespace(tasks=list(tasks)), 0, 0)  # type: ignore[arg-type]

    def by(self, name: str, task_vectors: Any) -> Variant:
        return Variant({"method": name}, {}, 1.0)


def made(kind: str, vectors: dict[str, Weights], **settings: Any) -> list[Variant]:
    """The variants of a study of one part."""
    return list(
        load(kind).variants(vectors, Unmerged("".join(vectors)), **study_of(kind, **settings).settings_of("all"))
    )


@pytest.fixture
def vectors() -> dict[str, Weights]:
    generator = torch.Generator().manual_seed(0)
    return {task: {"w": torch.randn(20, generator=generator)} for task in "abc"}


def test_ablation_leaves_out_one_step_each(vectors: dict[str, Weights]) -> None:
    stacked = torch.stack([vector["w"] for vector in vectors.values()])
    found = {v.columns["variant"]: v for v in made("ties_ablation", vectors, keep=0.5, scaling=0.7)}
    threshold = stacked.abs().sort(dim=1, descending=True).values[:, 9:10]
    trimmed = stacked * (stacked.abs() >= threshold)

    def elected(rows: torch.Tensor) -> torch.Tensor:
        sign = rows.sum(dim=0).sign()
        return rows * (rows.sign() == sign)

    def mean(rows: torch.Tensor) -> torch.Tensor:
        return rows.sum(dim=0) / (rows != 0).sum(dim=0).clamp(min=1)

    expected = {
        "TIES": 0.7 * mean(elected(trimmed)),
        "without trim": 0.7 * mean(elected(stacked)),
        "without elect": 0.7 * mean(trimmed),
        "without disjoint mean": 0.7 * elected(trimmed).mean(dim=0),
        "without scaling": mean(elected(trimmed)),
    }
    assert set(found) == set(expected)
    for name, variant in found.items():
        torch.testing.assert_close(variant.scaling * variant.task_vector["w"], expected[name])


def test_redundancy_keeps_the_largest_entries(vectors: dict[str, Weights]) -> None:
    for variant in made("redundancy", vectors, keep=[0.1, 1.0]):
        whole, kept = vectors[variant.columns["merged"]]["w"], variant.task_vector["w"]
        count = round(20 * variant.columns["keep"])
        assert int((kept != 0).sum()) == count
        assert kept.abs().sum() == pytest.approx(float(whole.abs().sort().values[-count:].sum()))
        assert variant.tasks == [variant.columns["merged"]]


def test_pairs_and_negation_are_scored_where_they_should_be(vectors: dict[str, Weights]) -> None:
    found = made("pairs", vectors)
    assert [v.columns["merged"] for v in found] == ["a+b", "a+c", "b+c"]
    torch.testing.assert_close(found[1].task_vector["w"], vectors["a"]["w"] + vectors["c"]["w"])
    _, first, *_, last = made("negation", vectors, scalings=[0.0, 0.4])
    assert (first.scaling, first.tasks) == (-0.4, ["a", "b"])
    assert (last.scaling, last.tasks) == (-0.4, ["c", "a"])


def merged_in(study: Study, part: str, tasks: str) -> list[str]:
    vectors: dict[str, Weights] = {task: {} for task in tasks}
    variants = load(study.kind).variants(vectors, Unmerged("abcde"), **study.settings_of(part))
    return [str(variant.columns["merged"]) for variant in variants]


def test_parts_of_a_study_merge_what_the_whole_study_says() -> None:
    counts = study_of("task_counts", counts=[2, 4, 3], subsets=2, seed=3)
    drawn = ["+".join(subset) for subset in random_subsets("abcde", [2, 4, 3], 2, seed=3)]
    assert [merged for part in counts.parts for merged in merged_in(counts, part, "abcde")] == drawn
    unseen = study_of("generalisation", unseen=[["a"], ["b", "d"]])
    assert [merged_in(unseen, part, "abcd") for part in unseen.parts] == [["b+c+d"], ["a+c"]]


def test_a_part_more_changes_nothing_that_another_depends_on() -> None:
    for kind, key, few, many in (
        ("task_counts", "counts", [2, 3], [2, 3, 5]),
        ("generalisation", "unseen", [["a"]], [["a"], ["b"]]),
        ("robustness", "corruptions", ["contrast"], ["contrast", "pixelate"]),
    ):
        one, other = study_of(kind, **{key: few}), study_of(kind, **{key: many})
        assert len(other.parts) == len(one.parts) + 1
        assert [one.settings_of(part) for part in one.parts] == [other.settings_of(part) for part in one.parts]


@pytest.mark.parametrize(("tasks", "counts"), [(8, range(2, 9)), (5, (1, 3, 5, 6)), (1, (1, 2))])
def test_subsets_are_those_drawn_from_a_list_of_all(tasks: int, counts: Sequence[int]) -> None:
    names = [f"t{index}" for index in range(tasks)]
    for seed in range(5):
        chance, expected = random.Random(seed), []
        for count in counts:
            listed = list(combinations(names, count))
            expected += sorted(chance.sample(listed, min(3, len(listed))), key=listed.index)
        assert random_subsets(names, counts, 3, seed) == expected


def test_subsets_of_many_tasks_are_drawn_without_a_list() -> None:
    # Of 60 tasks there are more than 10^17 subsets of 30.
    drawn = random_subsets([str(task) for task in range(60)], [30], 3, seed=0)
    assert [len(set(subset)) for subset in drawn] == [30, 30, 30]
    assert all(list(subset) == sorted(subset, key=int) for subset in drawn)


def images(count: int) -> ImageSet:
    return ImageSet(np.zeros((count, 32, 32, 3), np.uint8), np.zeros(count, np.int64), "t", "", "")


@pytest.mark.parametrize("kind", STUDIES)
@pytest.mark.parametrize("absent", ["", "a", "ab", "abc"])
def test_studies_score_tasks_that_have_images_and_no_others(kind: str, absent: str, tmp_path: Path) -> None:
    sets = {task: images(0 if task in absent else 2) for task in "abc"}
    study = study_of(kind)
    about = study.tasks_in("abc")
    splits = {"test": {task: sets[task] for task in about}}
    if study.looks_at_validation:
        splits["validation"] = sets
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 2))
    weights = {key: value.clone() for key, value in encoder.state_dict().items()}
    vectors = {task: {key: torch.ones_like(value) for key, value in weights.items()} for task in "abc"}
    bench = Bench(encoder, weights, {task: torch.eye(2) for task in "abc"}, splits)
    merging = Merging({"m": {"algorithm": "weight_averaging"}}, bench, seed=0, frozen_entries=0)
    part = study.parts[-1]
    variants = load(kind).variants(vectors, merging, **study.settings_of(part))
    found = bench.score(variants).assign(study="s", part=part)
    write_scores(tmp_path / "s.csv", found, may_be_empty=True)
    scores = read_parts([tmp_path / "s.csv"])
    assert not set(scores["task"]) & set(absent)
    if set(about) <= set(absent) or (kind in ("pairs", "negation") and len(absent) > 1):
        assert scores.empty
    elif kind in ("generalisation", "task_counts", "pairs"):
        assert all(set(merged.split("+")) <= set("abc") for merged in scores["merged"])
    references = pd.DataFrame(
        [{"method": name, "task": t, "correct": 1, "n": 2} for name in ("individual", "pretrained") for t in "abc"]
    )
    table = study_table(study, scores, references, list("abc"))
    write_csv(tmp_path / "t.csv", table)
    assert not re.search(r"\b(nan|inf)\b", (tmp_path / "t.csv").read_text())
    wanted = len(about)
    present = wanted - len(set(absent) & set(about))
    if not scores.empty and present < wanted:
        assert set(table["scored"]) == {f"{present}/{wanted}"}
        assert f"{present}/{wanted}" in notes(study, scores, list("abc"), True)
    _, cells = rounded(table, {"m": "Method"}, MARKDOWN)
    assert not any("nan" in cell for row in cells for cell in row)
    look = looks({"m": {"looks": "ties"}})
    read = pd.read_csv(tmp_path / "t.csv")
    save_figure(study_figure(kind, read, {"m": "Method"}, look), tmp_path / "f.svg", tmp_path / "f.png")


def test_generalisation_needs_no_zero_shot_scores() -> None:
    study, frame = tables()["generalisation"]
    table = study_table(study, frame, REFERENCES[REFERENCES["method"] == "individual"], list("xyz"))
    assert table["unseen, pretrained"].isna().all()
    assert table["unseen average"].tolist() == [20]


class NotFinite(torch.nn.Module):
    """Features as a broken encoder has them."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features * float("nan")


def test_nothing_is_divided_by_an_expert_that_is_never_right() -> None:
    study, frame = tables()["pairs"]
    useless = REFERENCES.assign(correct=REFERENCES["correct"].where(REFERENCES["task"] != "x", 0))
    table = study_table(study, frame, useless, ["x", "y"])
    assert table["normalised"].tolist() == [50]


def test_subsets_are_seeded_different_and_no_more_than_there_are() -> None:
    drawn = random_subsets("abcd", [2, 4], 3, seed=0)
    assert drawn == random_subsets("abcd", [2, 4], 3, seed=0)
    assert [len(own) for own in drawn] == [2, 2, 2, 4]
    assert len(set(drawn)) == 4
    assert {random_subsets("abcdef", [2], 3, seed=seed)[0] for seed in range(9)} != {drawn[0]}


def test_sign_conflicts_are_counted_among_the_entries_kept(vectors: dict[str, Weights], tmp_path: Path) -> None:
    stacked = torch.stack([vector["w"] for vector in vectors.values()])
    table = sign_conflicts(list(vectors.values()), [1.0, 0.2])
    for row in table.to_dict("records"):
        least = stacked.abs().sort(dim=1, descending=True).values[:, round(20 * row["keep"]) - 1, None]
        kept = (stacked * (stacked.abs() >= least))[: row["tasks"]]
        opposed = (kept > 0).any(dim=0) & (kept < 0).any(dim=0)
        assert (row["entries"], row["conflicts"]) == (int((kept != 0).any(dim=0).sum()), int(opposed.sum()))
    assert table["tasks"].tolist() == [2, 3, 2, 3]
    save_figure(conflicts_figure(table), tmp_path / "f.svg", tmp_path / "f.png")
    assert (tmp_path / "f.png").stat().st_size > 3000


def scores(rows: list[dict[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(rows).assign(split="test", n=10)


REFERENCES = pd.DataFrame(
    [
        {"method": method, "task": task, "correct": correct, "n": 10}
        for method, correct in (("pretrained", 4), ("individual", 8))
        for task in "xyz"
    ]
)


def tables() -> dict[str, tuple[Study, pd.DataFrame]]:
    """A study of each kind with scores that are easily averaged."""
    tasks = dict(zip("xyz", (6, 4, 2), strict=True))

    def each(**columns: object) -> list[dict[str, object]]:
        return [{"task": task, "correct": correct, **columns} for task, correct in tasks.items()]

    negated = [
        {"task": task, "correct": correct, "merged": "x", "scaling": scaling, "split": split, "n": 10}
        for split in ("validation", "test")
        for scaling, own in ((0.0, (8, 5)), (1.0, (2, 5)))
        for task, correct in zip("xy", own, strict=True)
    ]
    return {
        "generalisation": (
            study_of("generalisation", unseen=[["z"]]),
            scores(each(part="split-1", method="m", merged="x+y")),
        ),
        "robustness": (
            study_of("robustness", tasks=list("xyz")),
            scores([*each(part="clean", method="m"), *each(part="jpeg", method="m")]),
        ),
        "task_counts": (study_of("task_counts"), scores(each(method="m", merged="x+y+z"))),
        "ties_ablation": (
            study_of("ties_ablation"),
            scores([*each(variant="TIES"), *({**row, "correct": 1} for row in each(variant="without trim"))]),
        ),
        "ties_density": (study_of("ties_density"), scores([*each(keep=0.2), *each(keep=1.0)])),
        "redundancy": (study_of("redundancy"), scores([*each(keep=0.2), *each(keep=1.0)])),
        "pairs": (study_of("pairs"), scores([{"task": t, "correct": 4, "merged": "x+y"} for t in "xy"])),
        "negation": (study_of("negation"), pd.DataFrame(negated)),
    }


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("generalisation", {"seen average": 50, "unseen average": 20, "unseen, pretrained": 40, "unseen": "z"}),
        ("robustness", {"average": 40}),
        ("task_counts", {"average": 40, "normalised": 50, "tasks": 3, "subsets": 1, "lowest": 50}),
        ("ties_ablation", {"average": 40, "difference": 0}),
        ("ties_density", {"average": 40, "keep": 0.2}),
        ("redundancy", {"average": 40}),
        ("pairs", {"average": 40, "normalised": 50, "merged": "x+y"}),
        ("negation", {"lambda": 1.0, "target before": 80, "target after": 20, "control after": 50}),
    ],
)
def test_tables_figures_and_notes_of_every_kind(kind: str, expected: dict[str, object], tmp_path: Path) -> None:
    study, frame = tables()[kind]
    tasks = list(dict.fromkeys(frame["task"]))
    table = study_table(study, frame, REFERENCES, tasks)
    for column, value in expected.items():
        assert table[column].iloc[0] == (pytest.approx(value) if isinstance(value, float | int) else value), column
    headers, cells = rounded(table, {"m": "Method"}, MARKDOWN)
    assert len(headers) == len(cells[0])
    assert ("method" not in table) or cells[0][list(table).index("method")] == "Method"
    assert LATEX.plain("A & B") in rounded(table, {"m": "A & B"}, LATEX)[1][0] or "method" not in table
    assert load(kind).answer(table, {"m": "Method"}).endswith(".")
    assert notes(study, frame, tasks, True).count("10") >= 1
    assert "learn do so here" not in notes(study, frame, tasks, True)
    assert "Perhaps trained on" not in notes(study, frame, tasks, True)
    assert ("Perhaps trained on" in notes(study, frame, tasks, False)) == (kind == "negation")
    look = looks({"m": {"looks": "ties"}})
    save_figure(study_figure(kind, table, {"m": "Method"}, look), tmp_path / "f.svg", tmp_path / "f.png")
    assert (tmp_path / "f.png").stat().st_size > 3000


def test_notes_tell_how_methods_learn_where_a_study_says_so() -> None:
    _, frame = tables()["robustness"]
    told = notes(study_of("robustness", steps=5), frame, list(dict.fromkeys(frame["task"])), True)
    assert "Methods that learn do so here with steps 5." in told


def test_costs_are_sums_over_a_methods_jobs(tmp_path: Path) -> None:
    jobs = []
    # Names of rules are names of methods like any other.
    for method, place, seconds, memory in (("sweep", "merge/s/sweep.tsv", 2, "-"), ("sweep", "v.tsv", 3, 700)):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0\t{memory}\n")
        jobs.append((method, path))
    save_file({"m": np.zeros(4_999_920, np.uint8)}, tmp_path / "m.safetensors")
    methods = {"sweep": {"label": "M", "uses": ["labels"]}, "other": {"label": "O", "uses": []}}
    # The time that a job had worked before an interruption counts too.
    write_earlier(tmp_path / "earlier.tsv", 4.5)
    jobs.append(("sweep", tmp_path / "earlier.tsv"))
    table = cost_table(methods, jobs, {"sweep": tmp_path / "m.safetensors"})
    assert table.to_dict("records") == [
        {
            "method": "M",
            "seconds": 9.5,
            "memory": 700.0,
            "shared": 5.0,
            "per_task": 0.0,
            "more_per_image": 0,
            "task_name": None,
            "uses": "labels",
        }
    ]


def test_entropy_and_loss_are_the_textbooks(tmp_path: Path) -> None:
    from remerge.clip.encoders import build_clip
    from remerge.figures.entropy import entropy_figure
    from remerge.images.store import ImageSet
    from remerge.scoring.entropy import entropies_and_losses, entropy_table
    from remerge.scoring.evaluation import same_for_all

    torch.manual_seed(0)
    encoder = build_clip("mini").visual.eval()
    pixels = np.random.default_rng(0).integers(0, 256, (37, 32, 32, 3), dtype=np.uint8)
    images = ImageSet(pixels, np.arange(37) % 3, "t", "test", "real")
    head = torch.randn(128, 3)
    entropies, losses = entropies_and_losses(encoder, head, images, batch_size=10)
    once, _ = entropies_and_losses(encoder, head, images)
    torch.testing.assert_close(entropies, once)
    assert ((entropies >= 0) & (entropies <= np.log(3) + 1e-6)).all()
    table = entropy_table(same_for_all(encoder), {"t": head}, {"t": images})
    with pytest.raises(RemergeError, match=r"t: images 0 to .*NaN or infinite"):
        entropy_table(same_for_all(torch.nn.Sequential(encoder, NotFinite())), {"t": head}, {"t": images})
    assert table["n"].sum() == 37
    assert table["entropy"].is_monotonic_increasing
    assert (table["entropy"] * table["n"]).sum() / 37 == pytest.approx(float(entropies.mean()), rel=1e-5)
    assert (table["loss"] * table["n"]).sum() / 37 == pytest.approx(float(losses.mean()), rel=1e-5)
    ranks = np.stack([np.argsort(np.argsort(values.numpy())) for values in (entropies, losses)])
    assert table["spearman"].iloc[0] == pytest.approx(pd.DataFrame(ranks.T).corr().iloc[0, 1], abs=1e-6)
    save_figure(entropy_figure(table), tmp_path / "f.svg", tmp_path / "f.png")
    assert (tmp_path / "f.png").stat().st_size > 3000


@pytest.mark.parametrize("kind", tables())
def test_no_task_can_have_the_name_of_another_column(kind: str) -> None:
    from remerge.config.names import RESERVED

    study, frame = tables()[kind]
    columns = {column for column in study_table(study, frame, REFERENCES, list("xyz")) if " " not in column}
    assert columns - set("xyz") <= set(RESERVED["tasks"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_planned_without_heavy_imports(kind: str) -> None:
    code = (
        f"import sys, remerge.studies.{kind}; "
        "print(*{'torch', 'torchvision', 'open_clip', 'pandas', 'matplotlib'} & sys.modules.keys())"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_claims_may_name_is_what_rows_have(kind: str) -> None:
    labels = getattr(load(kind), "LABELS", {})
    assert hasattr(load(kind), "encoders") == bool(labels)
    if labels:
        _, frame = tables()[kind]
        rows = load(kind).encoders(frame)  # type: ignore[attr-defined]
        assert set(rows["split"]) == {"test"}
        for column, values in labels.items():
            assert set(rows[column]) <= set(values)


@pytest.mark.parametrize("script", ["study.py", "study_table.py", "study_figure.py"])
def test_a_new_kind_runs_no_study_of_another_kind_again(script: str) -> None:
    files = {path.as_posix() for path in source_files(f"scripts/{script}", ROOT)}
    assert "remerge/studies/kind.py" in files
    modules = {f"remerge/studies/{kind}{suffix}.py" for kind in KINDS for suffix in ("", "_figure")}
    assert not files & {"remerge/studies/registry.py", *modules}
