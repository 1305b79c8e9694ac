"""CONTRIBUTING.md's recipes for a method work as they are written: it is planned, merges, and is drawn everywhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from project import copy_project, planned, python_path
from recipes import blocks, write_module
from safetensors.torch import load_file, save_file

RECIPES = {"majority": "Add a method", "median": "Try a method of your own"}
OPTIONS = {"majority": ["majority"], "median": ["own", "--file", "median.py"]}
# Entries of three models, of which the pre-trained one is zero.
MODELS = torch.tensor([[1.0, -4.0, 0.5], [-2.0, 3.0, 0.5], [1.5, 2.0, 0.25]])
MERGED = {"majority": [2.5, 5.0, 1.25], "median": [1.0, 2.0, 0.5]}


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | python_path(folder),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=RECIPES)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def followed(method: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which somebody followed a recipe, and put the method into a study, too."""
    folder = copy_project(tmp_path_factory.mktemp(method))
    for code in blocks(RECIPES[method], "python"):
        write_module(folder, code)
    (entry,) = blocks(RECIPES[method], "yaml")
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    config["methods"] |= yaml.safe_load(entry)["methods"]
    config["studies"]["robustness"]["methods"].append(method)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return folder


def test_every_stage_of_the_method_is_planned(method: str, followed: Path) -> None:
    suite = "results/mini/{}/three/" + method
    jobs = planned(
        followed,
        suite.format("scores") + ".csv",
        suite.format("sweeps") + "/test.csv",
        "results/mini/tables/three/main.md",
        "results/mini/tables/three/cost.md",
        "results/mini/figures/three/accuracies.svg",
        "results/mini/figures/three/robustness.svg",
    )
    # Beside the five of the tiny configuration that merge.
    assert (jobs["merge_task_vectors"], jobs["merge"]) == (6, 6)
    assert "merge_by_statistics" not in jobs


def test_it_is_documented(method: str, followed: Path) -> None:
    (followed / "config").mkdir()
    run(followed, "-m", "remerge.config")
    described = (followed / "config" / "README.md").read_text(encoding="utf-8")
    assert f"`algorithm: {OPTIONS[method][0]}`" in described


def test_the_command_merges_by_it(method: str, followed: Path) -> None:
    save_file({"w": torch.zeros(3)}, followed / "pretrained.safetensors")
    for index, model in enumerate(MODELS):
        save_file({"w": model.clone()}, followed / f"{index}.safetensors")
    told = run(
        followed,
        *("-m", "remerge", "merge", "--method", *OPTIONS[method], "--scaling", "1"),
        *("--pretrained", "pretrained.safetensors", "--finetuned", *(f"{index}.safetensors" for index in range(3))),
        *("--out", "merged"),
    )
    assert told == f"{OPTIONS[method][0]} of 3 checkpoints, scaling 1, in merged\n"
    (merged,) = (followed / "merged").glob("*.safetensors")
    assert load_file(merged)["w"].tolist() == MERGED[method]


DRAWN = """
import sys
from dataclasses import asdict
import pandas as pd, yaml
from pathlib import Path
from remerge.config import load_config
from remerge.figures.accuracies import accuracies_figure
from remerge.figures.evidence import Evidence
from remerge.figures.radar import radar_figure
from remerge.figures.scalings import scaling_figure
from remerge.figures.steps import steps_figure
from remerge.figures.style import save_figure
from remerge.studies.drawing import study_figure

method = sys.argv[1]
config = load_config(yaml.safe_load(Path("config.yaml").read_text()))
methods = {name: asdict(own) | {"looks": config.looks_of(name)} for name, own in config.methods.items()}
tasks = config.suites["three"]
evidence = Evidence({}, tasks, methods, "trained", "mini")
labels, looks = evidence.labels, evidence.looks
rows = [(name, task, 30 + i, 100) for i, name in enumerate(methods) for task in tasks]
scores = pd.DataFrame(rows, columns=["method", "task", "correct", "n"]).assign(split="test")
sweeps = pd.concat([scores[scores["method"] == method].assign(scaling=by) for by in (0.0, 1.0)])
steps = pd.concat([scores[scores["method"] == "ada-task"].assign(step=step) for step in (0, 3)])
tables = {
    "robustness": [{"images": i, "method": m, "average": 50.0} for m in (method, "ties") for i in ("clean", "fog")],
    "task_counts": [{"tasks": n, "method": method, "normalised": 9.0, "lowest": 8.0, "highest": 9.5} for n in (2, 3)],
    "generalisation": [
        {"part": "split-1", "method": method, "seen average": 50.0, "unseen average": 40.0,
         "unseen": "shapes", "unseen, pretrained": 30.0}
    ],
}
drawn = {
    "accuracies": accuracies_figure(scores, labels, looks, tasks),
    "radar": radar_figure(scores, "individual", labels, looks, tasks),
    "scalings": scaling_figure(sweeps, {}, {method: {method: 1.0}}, labels, looks, tasks),
    "steps": steps_figure(steps, {method: 50.0}, labels, looks),
    **{kind: study_figure(kind, pd.DataFrame(table), labels, looks) for kind, table in tables.items()},
}
for name, figure in drawn.items():
    save_figure(figure, f"{name}.svg", f"{name}.png")
print(*drawn)
"""


def test_every_figure_of_methods_draws_it(method: str, followed: Path) -> None:
    (entry,) = blocks(RECIPES[method], "yaml")
    label = yaml.safe_load(entry)["methods"][method]["label"]
    drawn = run(followed, "-c", DRAWN, method).split()
    assert len(drawn) == 7
    for name in drawn:
        assert label in (followed / f"{name}.svg").read_text(encoding="utf-8"), name
