"""Flan-T5's adapters and GLUE's texts go through the workflow, from a stand-in for the Hub."""

import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from hub_server import COMMIT, HubServer
from of_flan_t5 import ADAPTED, adapter, adapter_config, config_of, tokeniser
from project import ROOT, copy_project, planned, snakemake
from safetensors.torch import save

from remerge.checkpoints.weights import load_weights
from remerge.scoring.answers import unpack_classes
from remerge.scoring.scores import accuracy, read_scores
from remerge.t5.architectures import Architecture
from remerge.t5.model import T5
from remerge.tasks.glue import glue_task
from remerge.texts import NO_ANSWER

TASKS = ("cola", "stsb")
POOL = "flan-t5-base-lora"
RESULTS = f"results/{POOL}"
# All but what is drawn and told of pools of any origin.
MADE = (
    *(f"{RESULTS}/tables/glue/{table}.md" for table in ("main", "comparison", "experts", "claims")),
    *(f"{RESULTS}/figures/glue/scalings.svg", "results/downloads.lock.yaml"),
)
WORDS = ("acceptable", "unacceptable", "0.5", "2.0", "3.5", "5.0")
TINY = Architecture(4 + len(WORDS), 16, 24, 2, 8, 2)
LIKE = re.compile(r'"flan-t5-base": Architecture\(.*\),')


def parquet(task: str, begin: int, count: int) -> bytes:
    """Rows of a task, in which words stand that the tokeniser knows."""
    rows = range(begin, begin + count)
    known = [f"{WORDS[row % len(WORDS)]} {WORDS[row * 5 % len(WORDS)]} {row}" for row in rows]
    table: dict[str, list[object]] = {
        column: [f"{column} {words}" for words in known] for column in glue_task(task).columns if column != "label"
    }
    table["label"] = [row % 2 if glue_task(task).answers else (row % 11) / 2 for row in rows]
    file = io.BytesIO()
    pq.write_table(pa.table(table), file)
    return file.getvalue()


@pytest.fixture(scope="module")
@torch.no_grad()
def model() -> T5:
    """A model that answers a word, now one and now another, and then ends."""
    torch.manual_seed(5)
    model = T5(TINY).eval()
    words, end = model.shared.weight, model.lm_head.weight
    end[:4], end[:, 0], end[1, 0] = 0, 0, 4
    words[:, 0], words[4:, 0] = 0, 4
    for block in model.decoder.block:
        # What is read matters more than what was written.
        block.layer[1].EncDecAttention.o.weight *= 5
        block.layer[1].EncDecAttention.o.weight[0] = 0
    return model


@pytest.fixture(scope="module")
def hub(model: T5, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    weights = model.state_dict()
    repositories = {
        "google/flan-t5-base": {
            "config.json": str(config_of(TINY)).replace("'", '"').replace("False", "false").encode(),
            "model.safetensors": save(weights),
            "tokenizer.json": tokeniser(WORDS),
        },
        "datasets/nyu-mll/glue": {
            f"{task}/{part}-00000-of-00001.parquet": parquet(task, begin, count)
            for task in TASKS
            for part, begin, count in (("train", 0, 40), ("validation", 40, 12))
        },
    }
    for seed, task in enumerate(TASKS):
        repositories[f"tanganke/flan-t5-base_glue-{task}_lora-16"] = {
            "adapter_config.json": adapter_config(4),
            "adapter_model.safetensors": save(adapter(weights, 4, seed)),
        }
    with HubServer(repositories) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HUB_DISABLE_XET", "1")
        patch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture(scope="module")
def made(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the preset has run on two tasks, with a model of few parameters."""
    folder = copy_project(tmp_path_factory.mktemp("flan") / "project")
    path = folder / "remerge" / "t5" / "architectures.py"
    content, count = LIKE.subn(f'"flan-t5-base": {TINY!r},', path.read_text(encoding="utf-8"))
    assert count == 1
    path.write_text(content, encoding="utf-8")
    shutil.copy2(ROOT / "config.yaml", folder)
    preset = yaml.safe_load((ROOT / "config" / f"{POOL}.yaml").read_text(encoding="utf-8"))
    preset |= {"device": "cpu", "zero_shot_tolerance": 200, "figures": {"scalings": [0.0, 0.3]}}
    preset["suites"]["glue"] = list(TASKS)
    del preset["methods"]["model-stock"]
    preset["methods"]["emr"] = None
    (folder / "preset.yaml").write_text(yaml.safe_dump(preset, sort_keys=False), encoding="utf-8")
    snakemake(folder, "--configfile", "preset.yaml", "--", *MADE, one_process=True)
    return folder


def test_every_file_is_taken_from_its_repository_at_one_commit(made: Path) -> None:
    lock = yaml.safe_load((made / "results/downloads.lock.yaml").read_text(encoding="utf-8"))
    assert {entry["repository"] for entry in lock["hub"]} == {
        *("google/flan-t5-base", "nyu-mll/glue"),
        *(f"tanganke/flan-t5-base_glue-{task}_lora-16" for task in TASKS),
    }
    assert {entry["commit"] for entry in lock["hub"]} == {COMMIT}
    assert not (made / "results/images").exists()


def test_task_vectors_are_what_adapters_add(made: Path, model: T5) -> None:
    for seed, task in enumerate(TASKS):
        factors = adapter(model.state_dict(), 4, seed)
        vector = load_weights(made / RESULTS / "task_vectors" / f"{task}.safetensors")
        for key in vector:
            module = key.removesuffix(".weight")
            if module.rpartition(".")[2] in ADAPTED:
                down, up = (factors[f"base_model.model.{module}.lora_{name}.weight"] for name in "AB")
                torch.testing.assert_close(vector[key], 2 * up @ down, rtol=0, atol=1e-5)
            else:
                assert not vector[key].any()


def test_texts_are_instructions_and_scores_hold_what_they_are_judged_by(made: Path) -> None:
    texts = pd.read_csv(made / "results/texts/cola/test.csv")
    assert texts["text"][0] == glue_task("cola").template.format(sentence="sentence 3.5 0.5 40")
    assert set(texts["answer"]) == {"acceptable", "unacceptable"}
    scores = read_scores(made / RESULTS / "scores/glue/ties.csv")
    assert list(scores["n"]) == [12, 12]
    assert (scores["valid"] > 0).all()
    assert scores["expected"].notna().tolist() == [False, True]
    numbers = pd.Series(unpack_classes(scores["predicted"][1], 12).astype(float)).replace(NO_ANSWER, 0)
    true = pd.read_csv(made / "results/texts/stsb/test.csv")["answer"]
    assert accuracy(scores)[1] == pytest.approx(100 * numbers.corr(true, method="spearman"))


def test_tables_say_what_is_odd_and_compare_with_published_numbers(made: Path) -> None:
    main = (made / RESULTS / "tables/glue/main.md").read_text(encoding="utf-8")
    assert "cola: test texts are GLUE's validation set" in main
    assert "Spearman's rank correlation" in main
    assert "validation labels (perhaps trained on)" in main
    comparison = pd.read_csv(made / RESULTS / "tables/glue/comparison.csv")
    published = comparison.set_index(["method", "task"])["published"]
    assert published["pretrained", "cola"] == 69.13
    assert published["individual", "stsb"] == 87.43
    # Merges of eight tasks are not compared with a merge of two.
    assert published["ties"].isna().all()
    gate = pd.read_csv(made / RESULTS / "tables/glue/zero_shot_gate.csv")
    assert list(gate["origin"]) == ["fusionbench-lora"] * 2
    figure = (made / RESULTS / "figures/glue/scalings.svg").read_text(encoding="utf-8")
    assert "TIES (sum), published" in figure


def test_a_preset_can_be_planned(made: Path) -> None:
    jobs = planned(made, "--configfile", str(ROOT / "config" / "flan-t5-large-lora.yaml"))
    counts = {"fetch_checkpoint": 9, "convert_adapter": 8, "sweep_texts": 3, "zero_shot_gate": 1}
    assert {rule: jobs.get(rule) for rule in counts} == counts
    assert not {"pretrain_t5", "finetune_lora", "draw_texts"} & jobs.keys()
