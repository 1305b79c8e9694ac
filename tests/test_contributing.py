"""CONTRIBUTING.md's recipes for a figure, a study and a claim work as they are written."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from project import ROOT, copy_project, planned
from recipes import blocks, write_module


def run(folder: Path, *arguments: str) -> str:
    return subprocess.run([sys.executable, *arguments], cwd=folder, text=True, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, with the default configuration, in which somebody followed the recipes."""
    folder = copy_project(tmp_path_factory.mktemp("followed"))
    for title in ("Add a figure", "Add a study"):
        for code in blocks(title, "python"):
            write_module(folder, code)
    (entry,) = blocks("Add a study", "yaml")
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    config["studies"] |= yaml.safe_load(entry)["studies"]
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    (claim,) = blocks("Add a claim", "yaml")
    with (folder / "published/claims.yaml").open("a", encoding="utf-8") as file:
        file.write(f"\n{claim}")
    # What `make docs` runs.
    (folder / "config").mkdir()
    run(folder, "-m", "remerge.config")
    return folder


def test_the_new_study_and_figure_are_planned_and_documented(followed: Path) -> None:
    figures = "results/mini/figures/eight"
    jobs = planned(followed, f"{figures}/leave-one-out.svg", f"{figures}/profiles.svg")
    assert {name: jobs[name] for name in ("study", "study_table", "study_figure", "figure")} == {
        "study": 1, "study_table": 1, "study_figure": 1, "figure": 1,
    }  # fmt: skip
    assert "`kind: leave_one_out`" in (followed / "config/README.md").read_text(encoding="utf-8")


MADE = """
from dataclasses import asdict
import numpy as np, pandas as pd, torch, yaml
from pathlib import Path
from remerge.config import load_config
from remerge.figures.evidence import Evidence
from remerge.figures.profiles import draw
from remerge.figures.style import save_figure
from remerge.findings.claimed_scores import Scores
from remerge.findings.claims import read_claims
from remerge.findings.claims_tables import claims_table
from remerge.findings.tables import write_csv
from remerge.images.store import ImageSet
from remerge.scoring.scores import write_scores
from remerge.scoring.bench import Bench
from remerge.studies.drawing import study_figure
from remerge.studies.kind import load
from remerge.studies.methods import Merging
from remerge.studies.tables import notes, study_table

config = load_config(yaml.safe_load(Path("config.yaml").read_text()))
study, tasks = config.studies["leave-one-out"], config.suites["eight"][:3]
methods = {name: asdict(method) for name, method in config.methods.items()}
shown = {name: method | {"looks": config.looks_of(name)} for name, method in methods.items()}
encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 2))
weights = {key: value.clone() for key, value in encoder.state_dict().items()}
vectors = {task: {key: torch.randn(value.shape) for key, value in weights.items()} for task in tasks}
images = ImageSet(np.zeros((5, 4, 4, 3), np.uint8), np.zeros(5, np.int64), "t", "", "")
bench = Bench(encoder, weights, dict.fromkeys(tasks, torch.eye(2)), {"test": dict.fromkeys(tasks, images)})
merging = Merging({name: methods[name] for name in study.applied}, bench, 0, 0)
scores = bench.score(load(study.kind).variants(vectors, merging, **study.settings_of("all")))
scores = scores.assign(study="leave-one-out", part="all")
write_scores("scores.csv", scores)
references = pd.DataFrame({"method": "pretrained", "task": tasks, "correct": 1, "n": 5})
table = study_table(study, scores, references, tasks)
write_csv(Path("table.csv"), table)
Path("table.md").write_text(notes(study, scores, tasks, True))
evidence = Evidence({"scores": ["scores.csv"]}, tasks, shown, "trained", "mini")
Path("answer.txt").write_text(load(study.kind).answer(table, evidence.labels))
save_figure(study_figure(study.kind, table, evidence.labels, evidence.looks), "study.svg", "study.png")
save_figure(draw(evidence), "figure.svg", "figure.png")
files = Scores(studies={"leave-one-out": [Path("scores.csv")]}, kinds={"leave-one-out": study.kind})
claims_table(read_claims("published/claims.yaml"), files, {}, "mini", "trained").to_csv("claims.csv")
"""


def test_the_new_study_figure_and_claim_come_to_something(followed: Path) -> None:
    run(followed, "-c", MADE)
    table = (followed / "table.csv").read_text(encoding="utf-8").splitlines()
    assert table[0] == "method,task,accuracy,pretrained"
    assert sorted(line.split(",")[0] for line in table[1:]) == ["task-arithmetic"] * 3 + ["ties"] * 3
    assert {line.split(",")[3] for line in table[1:]} == {"20.00"}
    assert "pre-trained encoder. Accuracy in percent. Test images: " in (followed / "table.md").read_text(
        encoding="utf-8"
    )
    assert "gains most" in (followed / "answer.txt").read_text(encoding="utf-8")
    for name, words in (("study", "accuracy (%)"), ("figure", "accuracy (%)")):
        assert words in (followed / f"{name}.svg").read_text(encoding="utf-8")
        assert (followed / f"{name}.png").stat().st_size > 3000
    (row,) = (followed / "claims.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert "ties-above-task-arithmetic-left-out" in row
