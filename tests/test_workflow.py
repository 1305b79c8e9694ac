"""The workflow as a user meets it: one command makes everything; a change re-runs what depends on it and no more."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from project import copy_project, planned, snakemake, started
from safetensors.torch import load_file

from remerge.run import provenance

TABLES = "results/mini/tables/three"
MERGED = "results/mini/merged/three"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the whole workflow has run once."""
    folder = copy_project(tmp_path_factory.mktemp("made"))
    snakemake(folder, "--report", "results/technical-report.html", "--report-after-run", one_process=True)
    return folder


@pytest.fixture
def config(made: Path) -> Iterator[dict[str, Any]]:
    """The made project's configuration; what a test writes to the file is undone after it."""
    path = made / "config.yaml"
    before = path.read_text(encoding="utf-8")
    yield yaml.safe_load(before)
    path.write_text(before, encoding="utf-8")


def write_config(folder: Path, values: dict[str, Any]) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def digests(folder: Path, pattern: str) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob(pattern)) if path.is_file()}


def test_results_are_not_read_again_to_see_that_they_are_whole(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Snakemake touches what a job has made; on terabytes, reading all of it before every command would take hours."""
    monkeypatch.setattr(provenance, "_hash", None)
    assert provenance.damaged_results(made / "results") == []


def test_everything_is_made(made: Path) -> None:
    for suffix in ("csv", "md", "tex"):
        assert (made / TABLES / f"main.{suffix}").stat().st_size > 200
        assert (made / TABLES / f"experts.{suffix}").stat().st_size > 50
    figures = {path.name for path in (made / "results/mini/figures/three").iterdir()}
    names = ("samples", "accuracies", "scalings", "steps", "cosine", "conflicts", "entropy", "radar", "fidelity")
    coefficients = ("taskwise_coefficients", "layerwise_coefficients")
    studies = ("generalisation", "robustness", "pairs", "negation")
    assert figures == {f"{name}.{format}" for name in (*names, *coefficients, *studies) for format in ("svg", "png")}
    assert pd.read_csv(made / TABLES / "experts.csv").notna().all(axis=None), "an expert was not scored on some task"
    assert {path.stem for path in (made / TABLES).glob("*.md")} >= {
        "main",
        "leaderboard",
        "claims",
        "cost",
        "fidelity",
        "regime",
        *studies,
    }
    technical = (made / "results/technical-report.html").read_text(encoding="utf-8")
    assert "main.md" in technical
    report = (made / "results/report.html").read_text(encoding="utf-8")
    assert all(text in report for text in ("Task Arithmetic", "Do the papers", "Study: negation", "data:image/svg+xml"))
    assert not list(made.glob("results/**/.partial-*"))


def test_the_users_own_task_is_scored_like_the_others(made: Path) -> None:
    table = pd.read_csv(made / TABLES / "main.csv").set_index("method")
    assert (table["shapes n"] == 8).all()
    assert (table["tasks"] == 3).all()
    markdown = (made / TABLES / "main.md").read_text(encoding="utf-8")
    assert "real: digits, shapes; rendered: arrows" in markdown


def test_scores_are_counts_and_the_table_is_made_of_them(made: Path) -> None:
    table = pd.read_csv(made / TABLES / "main.csv").set_index("method")
    scores = pd.read_csv(made / "results/mini/scores/three/arithmetic.csv").set_index("task")
    for task in ("digits", "shapes", "arrows"):
        assert table.loc["Task Arithmetic", task] == round(100 * scores.loc[task, "correct"] / scores.loc[task, "n"], 2)
    assert (scores["split"] == "test").all()


def test_curves_share_points_with_the_table(made: Path) -> None:
    results = made / "results/mini"
    sweep = pd.read_csv(results / "sweeps/three/arithmetic/test.csv")
    trajectory = pd.read_csv(results / "trajectories/three/ada-task.csv")
    assert sweep["scaling"].tolist() == [0.0] * 3 + [0.5] * 3
    assert trajectory["step"].tolist() == [0] * 3 + [3] * 3
    for curve, axis, place, method in ((sweep, "scaling", 0.0, "pretrained"), (trajectory, "step", 3, "ada-task")):
        assert curve["method"].nunique() == 1
        own = curve[curve[axis] == place].set_index("task")
        pd.testing.assert_frame_equal(
            own[["split", "correct", "n", "right", "predicted"]],
            pd.read_csv(results / f"scores/three/{method}.csv").set_index("task")[
                ["split", "correct", "n", "right", "predicted"]
            ],
        )


def test_a_tuned_scaling_is_the_best_on_validation_images(made: Path) -> None:
    record = json.loads((made / MERGED / "ties.json").read_text(encoding="utf-8"))
    sweep = pd.read_csv(made / "results/mini/sweeps/three/ties/validation.csv")
    assert set(sweep["split"]) == {"validation"}
    averages = (sweep["correct"] / sweep["n"]).groupby(sweep["scaling"]).mean()
    assert record["scaling"] == averages.idxmax()
    reads = snakemake(made, "--dry-run", "--forcerun", "merge", "--", f"{MERGED}/ties.json")
    merge = next(rule for rule in reads.split("\n\n") if "rule merge:" in rule)
    assert "validation.csv" in merge
    assert "test" not in merge.split("output:")[0].split("input:")[1]


def test_a_second_run_has_nothing_to_do(made: Path) -> None:
    assert planned(made) == {}


def test_touching_files_re_runs_nothing(made: Path) -> None:
    for pattern in ("remerge/**/*.py", "scripts/*.py", "results/images/**/*", "results/mini/weights/*", "shapes/**/*"):
        for path in made.glob(pattern):
            os.utime(path)
    assert planned(made) == {}


def test_a_new_suite_trains_nothing_again(made: Path, config: dict[str, Any]) -> None:
    config["suites"]["pair"] = ["digits", "arrows"]
    write_config(made, config)
    assert not set(planned(made)) & {"render_task", "pretrain", "zero_shot_head", "finetune", "task_vector"}


def test_a_new_pool_is_trained_scored_and_shown_like_the_first(made: Path, config: dict[str, Any]) -> None:
    config["pools"]["other"] = {"architecture": "mini", "seed": 1}
    write_config(made, config)
    jobs = planned(made)
    shown = {"main_table": 1, "claims_table": 1, "study_figure": 4, "figure": 12, "report_page": 1}
    assert {rule: jobs[rule] for rule in ("finetune", *shown)} == {"finetune": 3, **shown}
    assert not set(jobs) & {"render_task", "read_folder_task", "render_pretraining", "pretrain"}


def test_a_changed_image_re_runs_its_task(made: Path) -> None:
    path = made / "shapes" / "train" / "sq" / "0.png"
    before = path.read_bytes()
    path.write_bytes((made / "shapes" / "train" / "sq" / "1.png").read_bytes())
    try:
        jobs = planned(made)
        assert jobs["read_folder_task"] == 1
        assert jobs["finetune"] == 1
        assert "pretrain" not in jobs
    finally:
        path.write_bytes(before)


def test_a_suite_nested_in_another_gives_accuracy_against_the_number_of_tasks(
    made: Path, config: dict[str, Any]
) -> None:
    config["suites"]["pair"] = ["arrows", "digits"]
    config["figures"]["curves"] = ["three"]
    write_config(made, config)
    figure, claims = "results/mini/figures/three/suites.svg", "results/mini/tables/pair/claims.csv"
    snakemake(made, figure, claims, one_process=True)
    table = pd.read_csv(made / TABLES / "suites.csv")
    assert table.groupby("suite", sort=False)["tasks"].first().to_dict() == {"pair": 2, "three": 3}
    main = pd.read_csv(made / TABLES / "main.csv")
    of_three = table[table["suite"] == "three"]
    assert of_three["average"].tolist() == main["average"].tolist()
    assert of_three["normalised"].tolist() == main["normalised"].tolist()
    assert {path.name for path in (made / "results/mini/sweeps/pair").rglob("*.csv")} == {"validation.csv"}
    assert not (made / "results/mini/trajectories/pair").exists()
    assert ">tasks merged</text>" in (made / figure).read_text(encoding="utf-8")


@pytest.mark.whole
def test_the_same_seed_gives_the_same_bytes(made: Path) -> None:
    patterns = (
        "results/mini/merged*/**/*",
        "results/mini/coefficients/**/*",
        "results/mini/tables/**/*",
        "results/mini/figures/**/*",
    )
    before = [digests(made, pattern) for pattern in patterns]
    snakemake(
        made,
        "--forcerun",
        "learn_coefficients",
        "merge_task_vectors",
        "merge",
        "task_vector_cosine",
        "main_table",
        "experts_table",
        "figure",
    )
    for pattern, old in zip(patterns, before, strict=True):
        new = digests(made, pattern)
        # Costs are measured, and no two runs take the same time.
        assert [name for name in old if new[name] != old[name] and "/cost." not in name] == []


@pytest.mark.whole
def test_learned_coefficients_apply_again_without_learning(made: Path, config: dict[str, Any]) -> None:
    (made / "learned.csv").write_bytes((made / "results/mini/coefficients/three/ada-layer-pp.csv").read_bytes())
    config["methods"]["again"] = {
        "label": "AdaMerging++ again",
        "algorithm": "adamerging",
        "keep": 0.2,
        "coefficients": "learned.csv",
    }
    write_config(made, config)
    assert "learn_coefficients" not in planned(made)
    snakemake(made, f"{MERGED}/again.safetensors", one_process=True)
    again, learned = ((made / MERGED / f"{name}.safetensors").read_bytes() for name in ("again", "ada-layer-pp"))
    assert again == learned


MEDIAN = """
import torch
from remerge.merging.rules import MergeRule

class Median(MergeRule):
    def __init__(self, times):
        self.times = times
    def __call__(self, place, entries):
        return self.times * torch.stack(list(entries)).median(dim=0).values

def merge_rule(task_vectors, times, unused=0):
    return Median(times)
"""


@pytest.mark.whole
def test_a_method_in_one_file_of_the_users_own_is_a_row_like_the_others(made: Path, config: dict[str, Any]) -> None:
    (made / "median.py").write_text(MEDIAN)
    own = {"label": "Median", "algorithm": "own", "file": "median.py", "arguments": {"times": 2.0}, "scaling": 0.5}
    config["methods"]["median"] = own
    config["studies"]["robustness"]["methods"].append("median")
    write_config(made, config)
    assert "finetune" not in planned(made)
    snakemake(made, "results/report.html", f"{MERGED}/median.safetensors", one_process=True)
    vectors = [
        load_file(made / f"results/mini/task_vectors/{task}.safetensors") for task in ("digits", "shapes", "arrows")
    ]
    merged = load_file(made / "results/mini/merged_task_vectors/three/median.safetensors")
    for key, tensor in merged.items():
        torch.testing.assert_close(tensor, 2 * torch.stack([vector[key] for vector in vectors]).median(dim=0).values)
    assert "| Median " in (made / TABLES / "main.md").read_text(encoding="utf-8")
    assert "Median" in (made / TABLES / "robustness.md").read_text(encoding="utf-8")
    assert planned(made, "results/report.html") == {}
    (made / "median.py").write_text(MEDIAN.replace("2.0", "3.0") + "# changed\n")
    jobs = planned(made, "results/report.html")
    assert jobs["merge_task_vectors"] == 1
    assert jobs["study"] == len(config["studies"]["robustness"]["corruptions"]) + 1
    own["arguments"] = {"time": 2.0}
    write_config(made, config)
    told = snakemake(made, "--dry-run", check=False)
    assert "methods.median.arguments.time: unknown argument; did you mean 'times'?" in told
    assert "methods.median.arguments.times: missing" in told


FIGURE = """
from remerge.figures.style import new_figure

def draw(evidence):
    figure = new_figure(2.0)
    figure.subplots().bar(list(evidence.labels.values()), evidence.scores().groupby("method")["correct"].sum())
    return figure
"""


@pytest.mark.whole
def test_an_added_figure_is_drawn_and_shown_in_the_report(made: Path) -> None:
    registry, drawn = (made / "remerge" / "figures" / name for name in ("registry.py", "mine.py"))
    before = registry.read_text(encoding="utf-8")
    entry = 'FIGURES["mine"] = Figure(("scores",), "What to see in mine.")\n'
    try:
        registry.write_text(before + entry)
        assert "remerge/figures/mine.py, which is to draw it, is not there" in snakemake(made, "-n", check=False)
        drawn.write_text(FIGURE)
        assert planned(made, "results/mini/figures/three/mine.svg") == {"figure": 1}
        snakemake(made, "results/report.html", one_process=True)
        assert "What to see in mine." in (made / "results/report.html").read_text(encoding="utf-8")
        assert (made / "results/mini/figures/three/mine.png").stat().st_size > 3000
        registry.write_text(before + entry.replace('"scores"', '"scorez"'))
        assert "mine: needs: unknown 'scorez'" in snakemake(made, "-n", check=False)
    finally:
        registry.write_text(before)
        drawn.unlink(missing_ok=True)


@pytest.mark.whole
def test_an_added_study_method_and_claim_appear_in_tables_figures_and_report(
    made: Path, config: dict[str, Any]
) -> None:
    claims = made / "published" / "claims.yaml"
    before = claims.read_text(encoding="utf-8")
    sides = "above: {method: arithmetic}, below: {method: again}"
    claims.write_text(f"{before}\nmine: {{statement: Mine., paper: '2212.04089', section: none, {sides}}}\n")
    config["methods"]["again"] = {"label": "TIES again", "algorithm": "ties", "keep": 0.5}
    config["studies"]["shares"] = {"kind": "ties_density", "suite": "three", "keep": [0.5, 1.0]}
    write_config(made, config)
    try:
        snakemake(made, "results/report.html", one_process=True)
        assert "Mine." in (made / TABLES / "claims.md").read_text(encoding="utf-8")
        assert "TIES again" in (made / TABLES / "main.md").read_text(encoding="utf-8")
        assert (made / "results/mini/figures/three/shares.png").stat().st_size > 3000
        report = (made / "results/report.html").read_text(encoding="utf-8")
        assert all(text in report for text in ("Mine.", "TIES again", "Study: shares"))
    finally:
        claims.write_text(before, encoding="utf-8")


def test_the_terminal_shows_the_main_table(made: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "remerge", "results"], cwd=made, capture_output=True, text=True, check=True
    ).stdout
    assert "AdaMerging++ (layer-wise)" in shown
    assert TABLES in shown
    assert "results/report.html" in shown


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which nothing has run."""
    return copy_project(tmp_path_factory.mktemp("fresh"))


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("methods: {ties: {kep: 0.2}}", ["bad.yaml: methods.ties.kep: unknown key; did you mean 'keep'?"]),
        ("suites: {three: [digits, arows]}", ["unknown task 'arows'", "did you mean 'arrows'?"]),
        ("methods: {ties: {algorithm: tiez}}", ["unknown algorithm 'tiez'"]),
        ("methods: {arithmetic: {scaling: much}}", ["methods.arithmetic.scaling: must be a number"]),
        ("suites: {three: []}", ["the suite is empty"]),
        ("methods:\n  a: {}\n  a: {}", ["'a' stands twice"]),
        ("tasks: {shapes: {folder: nowhere}}", ["tasks.shapes.folder: nowhere: no such folder"]),
        ("tasks: {shapes: {folder: holed}}", ["class 'sq' is in train and missing from test"]),
        ("tasks: {shapes: {folder: broken}}", ["0.png"]),
        ("tasks: {shapes: {folder: shapes, classes: {circ: a, sqq: b}}}", ["tasks.shapes.classes: 'sqq'"]),
    ],
)
def test_bad_input_is_refused_before_any_job(fresh: Path, text: str, messages: list[str]) -> None:
    for name in ("holed", "broken"):
        if not (fresh / name).exists():
            subprocess.run(["cp", "-r", "shapes", name], cwd=fresh, check=True)
    subprocess.run(["rm", "-rf", "holed/test/sq"], cwd=fresh, check=True)
    (fresh / "broken" / "train" / "sq" / "0.png").write_text("no image")
    (fresh / "bad.yaml").write_text(text)
    told = snakemake(fresh, "--configfile", "bad.yaml", check=False, one_process=True)
    for message in messages:
        assert message in told
    assert "Traceback" not in told
    assert not (fresh / "results").exists()


@pytest.mark.whole
def test_a_killed_run_leaves_nothing_that_counts_and_the_next_goes_on(fresh: Path) -> None:
    target = "results/pretrained/mini.safetensors"
    slow = "training: {pretraining: {steps: 100000}}"
    (fresh / "slow.yaml").write_text(slow)
    run = started(fresh, "--configfile", "slow.yaml", "--", target)
    try:
        deadline = time.monotonic() + 120
        while not (fresh / "logs/pretrain.log").exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(3)
        # What Ctrl-C in a terminal does: the signal reaches Snakemake and its jobs alike.
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(timeout=60) != 0
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
    assert not (fresh / target).exists()
    snakemake(fresh, "--", target, one_process=True)
    assert (fresh / target).exists()
