"""A pool that reads texts goes through the whole workflow, as pools that read images do."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from project import ROOT, copy_project, planned, snakemake

from remerge.scoring.answers import unpack_classes
from remerge.tasks.dates import SIZES
from remerge.texts import NO_ANSWER

RESULTS = "results/mini-text"
TABLES = f"{RESULTS}/tables/two"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the whole workflow has run once, on texts."""
    folder = copy_project(tmp_path_factory.mktemp("texts"))
    shutil.copy2(ROOT / "tests" / "tiny-text.yaml", folder / "config.yaml")
    snakemake(folder, one_process=True)
    return folder


def test_everything_is_made_once(made: Path) -> None:
    assert {path.stem for path in (made / TABLES).glob("*.md")} == {
        *("main", "leaderboard", "experts", "claims", "cost"),
    }
    figures = {path.stem for path in (made / RESULTS / "figures" / "two").glob("*.svg")}
    assert figures == {"accuracies", "radar", "scalings", "valid_answers", "cosine", "conflicts"}
    report = (made / "results/report.html").read_text(encoding="utf-8")
    assert "one pre-trained text model" in report
    assert "test images" not in report.replace("unlabeled test images", "")
    assert not (made / "results/images").exists()
    assert planned(made) == {}


def test_scores_hold_counts_answers_and_how_many_are_valid(made: Path) -> None:
    for path in (made / RESULTS).glob("s[cw]*/two/**/*.csv"):
        for row in pd.read_csv(path).to_dict("records"):
            split = str(row["split"])
            numbers = unpack_classes(str(row["predicted"]), SIZES[split])
            assert row["n"] == SIZES[split]
            assert row["correct"] <= row["valid"] == (numbers != NO_ANSWER).sum()
    table = pd.read_csv(made / TABLES / "main.csv").set_index("method")
    assert table["valid"].between(0, 100).all()
    assert "Valid: answers" in (made / TABLES / "main.md").read_text(encoding="utf-8")
    assert "Texts generated: croatian, polish." in (made / TABLES / "main.md").read_text(encoding="utf-8")


def test_a_curve_begins_at_the_pre_trained_model_and_a_tuned_scaling_is_from_validation(made: Path) -> None:
    zero_shot = pd.read_csv(made / RESULTS / "scores/two/pretrained.csv")
    sweep = pd.read_csv(made / RESULTS / "sweeps/two/arithmetic/test.csv")
    assert list(sweep[sweep["scaling"] == 0]["predicted"]) == list(zero_shot["predicted"])
    validation = pd.read_csv(made / RESULTS / "sweeps/two/ties/validation.csv")
    averages = validation["correct"].groupby(validation["scaling"]).mean()
    record = json.loads((made / RESULTS / "merged/two/ties.json").read_text(encoding="utf-8"))
    assert record["scaling"] == averages.idxmax()


def test_an_edit_of_the_text_model_makes_nothing_of_images_again(made: Path) -> None:
    path = made / "remerge" / "t5" / "decoding.py"
    path.write_text(path.read_text(encoding="utf-8") + "CHANGED = 1\n", encoding="utf-8")
    jobs = planned(made)
    assert {"score_texts", "sweep_texts", "score_text_expert"} <= jobs.keys()
    assert not {"pretrain_t5", "finetune_lora", "draw_texts"} & jobs.keys()
