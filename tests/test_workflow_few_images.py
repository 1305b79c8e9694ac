"""The workflow merges by every method that looks at a few images, and says what data each looked at."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from project import ROOT, planned, snakemake

from remerge.checkpoints.weights import load_weights

METHODS = {
    "regmean": {"label": "RegMean", "algorithm": "regmean", "images": 8},
    "regmean-pp": {"label": "RegMean++", "algorithm": "regmean_plusplus", "images": 8},
    "greedy-soup": {"label": "Greedy soup", "algorithm": "greedy_soup", "images": 8},
    "lot": {"label": "LOT", "algorithm": "lot", "images": 8},
    "mats": {"label": "MaTS", "algorithm": "mats", "images": 8, "iterations": 3, "around": "ties"},
    "esm": {"label": "ESM", "algorithm": "esm", "images": 8, "scaling": {"tune": "validation", "grid": [0.5, 1.0]}},
    "featcal": {"label": "FeatCal", "algorithm": "featcal", "images": 8},
    "apl-style": {"label": "APL-style", "algorithm": "apl_style", "images": 8},
}
TABLES = "results/mini/tables/two"
TARGETS = [f"{TABLES}/{table}.csv" for table in ("main", "cost")]


@pytest.fixture(scope="module")
def made(whole_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two tasks in which the main and cost tables have been made."""
    folder = shutil.copytree(whole_run, tmp_path_factory.mktemp("few") / "project")
    config = yaml.safe_load((ROOT / "tests" / "tiny.yaml").read_text(encoding="utf-8"))
    config["methods"] = {"averaging": config["methods"]["averaging"]} | METHODS
    config |= {"suites": {"two": ["digits", "shapes"]}, "studies": {}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    snakemake(folder, *TARGETS, one_process=True)
    return folder


def test_tables_say_what_each_method_looks_at(made: Path) -> None:
    uses = pd.read_csv(made / TABLES / "main.csv").set_index("method")["uses"].fillna("").to_dict()
    unlabeled = dict.fromkeys(["RegMean", "RegMean++", "LOT", "MaTS", "FeatCal"], "unlabeled validation images")
    assert uses == unlabeled | {
        "Weight Averaging": "",
        "Greedy soup": "validation labels",
        "APL-style": "validation labels",
        "ESM": "unlabeled validation images, validation labels",
    }
    seconds = pd.read_csv(made / TABLES / "cost.csv").set_index("method")["seconds"]
    assert (seconds > 0).all()


def test_every_merged_encoder_is_another_one_and_finite(made: Path) -> None:
    merged = {name: load_weights(made / f"results/mini/merged/two/{name}.safetensors") for name in METHODS}
    key = "transformer.resblocks.1.mlp.c_fc.weight"
    found = [weights[key] for name, weights in merged.items() if name != "greedy-soup"]
    assert all(tensor.isfinite().all() for weights in merged.values() for tensor in weights.values())
    assert all(not one.equal(other) for place, one in enumerate(found) for other in found[:place])


def test_a_greedy_soup_is_an_expert_or_their_mean_and_the_log_names_its_ingredients(made: Path) -> None:
    (told,) = [
        line
        for line in (made / "logs/mini/merge_with_exemplars/two/greedy-soup.log").read_text().splitlines()
        if line.startswith("ingredients: ")
    ]
    names = told.removeprefix("ingredients: ").split(";")[0].split(", ")
    vectors = [load_weights(made / f"results/mini/task_vectors/{name}.safetensors") for name in names]
    merged = load_weights(made / "results/mini/merged_task_vectors/two/greedy-soup.safetensors")
    for key in merged:
        assert merged[key].allclose(torch.stack([vector[key] for vector in vectors]).mean(dim=0), atol=1e-7)


def test_a_second_run_has_nothing_to_do(made: Path) -> None:
    assert planned(made, *TARGETS) == {}
