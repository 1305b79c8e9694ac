"""The workflow declares, records and scores every part of a merged result."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from project import ROOT, planned, snakemake

from remerge.merging.assemblies import MergedFiles
from remerge.run.provenance import read_record, sha256_of

METHODS = {
    "emr": {"label": "EMR", "algorithm": "emr"},
    "surgery": {"label": "Surgery", "algorithm": "surgery", "around": "arithmetic", "steps": 2, "rank": 2},
    "tsv": {"label": "TSV-Compress", "algorithm": "tsv_compress"},
    "twin": {"label": "Twin", "algorithm": "twin", "around": "ties", "images": 8, "epochs": 2},
}
TABLES = "results/mini/tables/two"
TARGETS = [f"{TABLES}/{table}.csv" for table in ("main", "cost")]
MERGED = "results/mini/merged/two"


@pytest.fixture(scope="module")
def made(whole_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two tasks in which the main and cost tables have been made."""
    folder = shutil.copytree(whole_run, tmp_path_factory.mktemp("parts") / "project")
    config = yaml.safe_load((ROOT / "tests" / "tiny.yaml").read_text(encoding="utf-8"))
    kept = ("pretrained", "individual", "arithmetic")
    config["methods"] = {name: config["methods"][name] for name in kept} | METHODS
    config |= {"suites": {"two": ["digits", "shapes"]}, "studies": {}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    snakemake(folder, *TARGETS, one_process=True)
    return folder


@pytest.fixture
def part(made: Path) -> Iterator[Path]:
    """A part, put back after the test."""
    path = made / MERGED / "emr" / "shapes.safetensors"
    content = path.read_bytes()
    yield path
    path.write_bytes(content)


def test_tables_show_two_blocks_and_what_each_task_stores(made: Path) -> None:
    table = pd.read_csv(made / TABLES / "main.csv").set_index("method")
    assert table.loc[["EMR", "Surgery", "TSV-Compress", "Twin"], "block"].unique().tolist() == [
        "a shared encoder and parts per task"
    ]
    assert table.loc["Task Arithmetic", "block"] == "one encoder"
    assert table["task_name"].fillna("").to_dict() == {
        **dict.fromkeys(["Pretrained", "Individual", "Task Arithmetic", "Twin"], ""),
        **dict.fromkeys(["EMR", "Surgery", "TSV-Compress"], "needed"),
    }
    assert "| *A shared encoder and parts per task* |" in (made / TABLES / "main.md").read_text(encoding="utf-8")
    cost = pd.read_csv(made / TABLES / "cost.csv").set_index("method")
    for name, label in (("emr", "EMR"), ("twin", "Twin"), ("surgery", "Surgery")):
        files = MergedFiles(made / MERGED / f"{name}.safetensors")
        assert cost.loc[label, "per_task"] == pytest.approx(sum(files.part_bytes.values()) / 2e6, abs=0.006)
    # Two matrices of rank 2 for features of 128 entries.
    assert files.part_bytes["digits"] == pytest.approx(4 * 2 * 2 * 128, abs=500)
    assert cost.loc["Surgery", "seconds"] > cost.loc["Task Arithmetic", "seconds"]


def test_every_part_has_a_record_and_scores_name_them_all(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    for name in METHODS:
        parts = [f"{MERGED}/{name}/{task}.safetensors" for task in ("digits", "shapes")]
        scored = read_record(f"results/mini/scores/two/{name}.csv")
        assert scored
        for path in parts:
            told = read_record(path)
            assert told
            assert told["sha256"] == sha256_of(path) == scored["inputs"][path]
            assert json.dumps(told["output"]["parts"]) == json.dumps(parts)


def test_task_vectors_are_decomposed_once_for_the_methods_that_merge_by_that(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    files = [f"results/mini/svd/{task}.safetensors" for task in ("digits", "shapes")]
    for name, read in (("tsv", files), ("emr", [])):
        told = read_record(f"{MERGED}/{name}.safetensors")
        assert told
        assert [path for path in told["inputs"] if "/svd/" in path] == read


def test_a_second_run_has_nothing_to_do(made: Path) -> None:
    assert planned(made, *TARGETS) == {}


def test_a_damaged_part_is_set_aside_and_made_again(made: Path, part: Path) -> None:
    before = part.read_bytes()
    part.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    name = str(part.relative_to(made))
    snakemake(made, name, one_process=True)
    assert part.read_bytes() == before
    assert part.with_name(part.name + ".damaged").exists()
