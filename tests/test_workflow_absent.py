"""Tasks whose images are absent: everything completes, says over how many tasks, and makes no number of nothing."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from project import copy_project, planned, snakemake

from remerge.checkpoints.experts import why_absent
from remerge.checkpoints.headers import read_metadata
from remerge.scoring.scores import read_parts

pytestmark = pytest.mark.whole
PRESENT = ["MNIST", "SVHN"]
METHODS: dict[str, dict[str, Any]] = {
    "pretrained": {"algorithm": "pretrained"},
    "individual": {"algorithm": "individual"},
    "joint": {"algorithm": "traditional_mtl", "steps": 2},
    "weight-averaging": {"algorithm": "weight_averaging"},
    "fisher": {"algorithm": "fisher", "images": 4},
    "regmean": {"algorithm": "regmean", "images": 4},
    "regmean-pp": {"algorithm": "regmean_plusplus", "images": 4},
    "task-arithmetic": {"algorithm": "task_arithmetic"},
    "ties": {"algorithm": "ties", "scaling": {"tune": "validation", "grid": [0.5, 1.0]}},
    "adamerging-task": {"algorithm": "adamerging", "granularity": "task", "steps": 2, "batch_size": 4},
    "adamerging-layer": {"algorithm": "adamerging", "keep": 0.2, "steps": 2, "batch_size": 4},
}
COMPARED = {"suite": "suite", "methods": ["task-arithmetic", "adamerging-layer"]}


def project(folder: Path, pool: dict[str, Any], absent: list[str]) -> Path:
    """Two tasks with images in folders, and some without; every method, and every kind of study."""
    copy_project(folder)
    generator = np.random.default_rng(0)
    for task in PRESENT:
        for split, count in (("train", 2), ("test", 1)):
            for label in range(10):
                for index in range(count):
                    path = folder / task / split / str(label) / f"{index}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    tasks = [PRESENT[0], *absent, PRESENT[1]]
    config = {
        "pools": {"pool": pool},
        "suites": {"suite": tasks},
        "clip_tasks": {task: {"folder": task} for task in PRESENT} | {task: {"source": "none"} for task in absent},
        "methods": {name: {"label": name, **method} for name, method in METHODS.items()},
        "studies": {
            "generalisation": {"kind": "generalisation", "unseen": [[absent[0]], [PRESENT[1]]], **COMPARED},
            "robustness": {
                "kind": "robustness",
                "tasks": [absent[0], PRESENT[0]],
                "corruptions": ["contrast"],
                **COMPARED,
            },
            "task-counts": {"kind": "task_counts", "counts": [1, 2, 3], "subsets": 2, **COMPARED},
            "ties-ablation": {"kind": "ties_ablation", "suite": "suite", "scaling": 0.3},
            "ties-density": {"kind": "ties_density", "suite": "suite", "keep": [0.2, 1.0]},
            "redundancy": {"kind": "redundancy", "suite": "suite", "keep": [0.2, 1.0]},
            "pairs": {"kind": "pairs", "suite": "suite"},
            "negation": {"kind": "negation", "suite": "suite", "scalings": [0.0, 0.5]},
        },
        "training": {
            "pretraining": {"steps": 2, "batch_size": 16},
            "finetuning": {"steps": 2, "batch_size": 4, "warmup": 1},
        },
        "figures": {"scalings": [0.0, 0.5], "every": 2},
        "device": "cpu",
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return folder


@pytest.mark.parametrize(
    ("origin", "absent"), [("trained", ["DTD"]), ("random", ["DTD", "EuroSAT"])], ids=["one, trained", "two, random"]
)
def test_everything_completes_and_says_over_how_many_tasks(tmp_path: Path, origin: str, absent: list[str]) -> None:
    folder = project(tmp_path / "project", {"origin": origin, "architecture": "mini"}, absent)
    snakemake(folder, one_process=True)
    results, tables = folder / "results/pool", folder / "results/pool/tables/suite"
    tasks, share = 2 + len(absent), f"2/{2 + len(absent)}"
    for path in folder.glob("results/**/*.csv"):
        assert not re.search(r"\b(nan|inf)\b", path.read_text(), re.IGNORECASE), path
    main = (tables / "main.md").read_text()
    assert f"No test images of {', '.join(absent)}: averages are over {share} tasks." in main
    rows = [line for line in main.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(METHODS) - (origin == "random")
    assert all(f"({share})" in row for row in rows)
    claims = pd.read_csv(tables / "claims.csv")
    assert claims["caveats"].str.contains(f"{share} tasks: no images of {', '.join(absent)}").all()
    for study in ("generalisation", "task-counts", "ties-ablation", "ties-density", "redundancy", "pairs", "negation"):
        assert f"averages are over {share} tasks" in (tables / f"{study}.md").read_text(), study
        assert f"{share} tasks have images" in (results / f"figures/suite/{study}.svg").read_text(), study
        assert set(pd.read_csv(tables / f"{study}.csv")["scored"]) == {share}
    assert "averages are over 1/2 tasks" in (tables / "robustness.md").read_text()
    for figure in ("samples", "accuracies", "radar", "scalings", "steps", "entropy"):
        assert f"{share} tasks; nothing of {absent[0]}" in (results / f"figures/suite/{figure}.svg").read_text(), figure
    report = (folder / "results/report.html").read_text()
    assert f"averages are over {share} tasks" in report
    # Nothing is trained on all tasks in a pool that is not trained here.
    assert ("individual, joint, weight-averaging" in report) == (origin == "trained")

    # Nobody knows what an expert without images needs; what merges says of which tasks.
    for method in ("fisher", "regmean", "regmean-pp"):
        assert read_metadata(results / f"merged/suite/{method}.safetensors")["merged"] == "+".join(PRESENT)
        assert json.loads((results / f"merged/suite/{method}.json").read_text())["tasks"] == PRESENT
        assert f"| {method} ({share} tasks)" in main
    # What merges fewer tasks than the other side is not compared with it.
    assert "regmean-above-fisher" in set(claims["id"])
    assert ("fisher-above-averaging" in set(claims["id"])) == (origin == "trained")
    coefficients = pd.read_csv(results / "coefficients/suite/adamerging-layer.csv")
    experts = read_parts(sorted(results.glob("expert_scores/*.csv")))
    averaged = read_metadata(results / "merged/suite/weight-averaging.safetensors")
    if origin == "trained":
        # It could not be trained, and is nowhere.
        assert "no training images: the configuration leaves it out" in why_absent(results / "weights/DTD.safetensors")
        assert averaged["merged"] == "+".join(PRESENT)
        assert set(coefficients["task"]) == set(PRESENT)
        assert set(experts["expert"]) == set(PRESENT)
    else:
        # They are merged all the same, and what learns does not move them for others' sake.
        assert "merged" not in averaged
        moved = coefficients[(coefficients["value"] - 0.3).abs() > 1e-6]["task"]
        assert set(moved) == set(PRESENT)
        assert len(experts) == tasks * 2


def test_studies_need_no_zero_shot_row(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", {"origin": "random", "architecture": "mini"}, ["DTD"])
    path = folder / "config.yaml"
    config = yaml.safe_load(path.read_text())
    del config["methods"]["pretrained"]
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    assert planned(folder)["study_table"] == 8
