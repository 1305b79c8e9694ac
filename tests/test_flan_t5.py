"""Flan-T5's shapes, adapters, tokeniser and tasks give what transformers, PEFT's formula and GLUE's files say."""

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from of_flan_t5 import ADAPTED, adapter, adapter_config, config_of, tokeniser
from safetensors.torch import save_file
from snakemake.utils import update_config
from test_t5 import of_transformers
from torch import Tensor

from remerge.checkpoints.lora import Adapter
from remerge.config import load_config
from remerge.config.models import Config
from remerge.doctor.disk import hub_bytes, results_bytes
from remerge.doctor.estimates import PARAMETERS
from remerge.doctor.machine import memory
from remerge.doctor.work import operations
from remerge.downloads import texts as downloads
from remerge.downloads.hub import HubFiles
from remerge.downloads.texts import read_texts
from remerge.errors import MismatchError, RemergeError
from remerge.merging.lora import of_adapter
from remerge.merging.task_vectors import apply_task_vector
from remerge.plan import Plan
from remerge.t5.architectures import ARCHITECTURES, Architecture
from remerge.t5.decoding import decode
from remerge.t5.model import T5
from remerge.t5.published import check_config, checked_t5
from remerge.t5.tokenisers import MOST, Subwords, load_tokeniser
from remerge.tasks.answers import form_of
from remerge.tasks.glue import GLUE_TASKS, REPOSITORY, glue_task
from remerge.texts import NO_ANSWER

ROOT = Path(__file__).parent.parent
# Flan-T5-base but for the number of blocks.
BASE = Architecture(32_128, 768, 2048, 12, 64, 1)


def random_texts(lengths: list[int], vocabulary: int) -> Tensor:
    drawn = torch.randint(2, vocabulary, (len(lengths), max(lengths)))
    return drawn.masked_fill(torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None], 0)


@torch.inference_mode()
def test_experts_of_true_shape_answer_as_transformers_with_adapters_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ARCHITECTURES, "flan-t5-base", BASE)
    torch.manual_seed(0)
    theirs = of_transformers(BASE)
    # Its draws leave the output matrix empty, and norms at one, which would hide a mix-up.
    for name, parameter in theirs.named_parameters():
        if name == "lm_head.weight" or "norm" in name:
            parameter.normal_(0.5, 0.5)
    pretrained = {key: tensor.clone() for key, tensor in theirs.state_dict().items()}
    changes = adapter(pretrained, rank=16)
    write_adapter(tmp_path, changes)
    ours = checked_t5(pretrained, "flan-t5-base")
    expert = apply_task_vector(ours, of_adapter(ours, Adapter(tmp_path)), 1.0)
    # PEFT's merge_and_unload: W + B A alpha / r.
    for name, module in theirs.named_modules():
        if name.rpartition(".")[2] in ADAPTED:
            down, up = (changes[f"base_model.model.{name}.lora_{each}.weight"] for each in "AB")
            module.weight += up @ down * 32 / 16
    assert sum(key.endswith("lora_A.weight") for key in changes) == 6
    for key, tensor in theirs.state_dict().items():
        if key in expert:
            torch.testing.assert_close(expert[key], tensor, rtol=0, atol=1e-5)
    model = T5(BASE)
    model.load_state_dict(expert)
    read = random_texts([40, 23, 60], BASE.vocabulary)
    expected = theirs.generate(read, attention_mask=(read != 0).long(), max_new_tokens=5, do_sample=False, num_beams=1)
    assert decode(model, read, 5).tolist() == expected[:, 1:].tolist()
    written = torch.randint(2, BASE.vocabulary, (3, 4))
    starts = torch.nn.functional.pad(written[:, :-1], (1, 0))
    logits = theirs(input_ids=read, attention_mask=(read != 0).long(), decoder_input_ids=starts).logits
    assert (model(read, written) - logits).abs().max() < 1e-5 * logits.abs().max()


def write_adapter(folder: Path, changes: Mapping[str, Tensor]) -> None:
    save_file(dict(changes), folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_bytes(adapter_config(16))


def test_other_checkpoints_are_refused() -> None:
    with torch.device("meta"):
        weights = dict(T5(ARCHITECTURES["flan-t5-base"]).state_dict())
    weights["encoder.embed_tokens.weight"] = weights["shared.weight"]
    assert "encoder.embed_tokens.weight" not in checked_t5(weights, "flan-t5-base")
    with pytest.raises(MismatchError, match="not the weights of flan-t5-large"):
        checked_t5(weights, "flan-t5-large")
    weights["classifier.weight"] = weights.pop("lm_head.weight")
    with pytest.raises(MismatchError, match=r"'lm_head.weight' is missing\n  'classifier.weight' is unknown"):
        checked_t5(weights, "flan-t5-base")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, ""),
        ({"d_model": 1024}, "`d_model` is 1024, not 768"),
        ({"feed_forward_proj": "relu"}, "`feed_forward_proj` is 'relu', not 'gated-gelu'"),
        ({"tie_word_embeddings": True}, "`tie_word_embeddings` is True, not False"),
    ],
)
def test_a_configuration_of_another_model_is_refused(changed: dict[str, Any], told: str) -> None:
    config = config_of(ARCHITECTURES["flan-t5-base"]) | changed
    if not told:
        check_config(config, "flan-t5-base")
        return
    with pytest.raises(RemergeError, match=f"not that of flan-t5-base: {told}"):
        check_config(config, "flan-t5-base")


# Tokens


def test_texts_become_the_tokens_that_transformers_makes_of_them(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    path = tmp_path / "tokenizer.json"
    path.write_bytes(tokeniser(["Is", "it", "positive", "or", "negative?", "4.2"]))
    theirs = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(path), pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=MOST
    )
    ours = load_tokeniser(path)
    texts = ["Is it positive or negative?", "4.2 or it", "", "unheard of", "it " * 600]
    assert ours.encoded(texts) == theirs(texts, truncation=True)["input_ids"]
    assert len(ours.encoded(texts)[-1]) == MOST
    for tokens in ours.encoded(texts[:2]):
        assert ours.decoded([*tokens, 0, 0]) == theirs.decode(tokens, skip_special_tokens=True)
        assert ours.decoded([*tokens, 5]) == theirs.decode(tokens, skip_special_tokens=True)


def test_other_files_are_no_tokenisers(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(RemergeError, match="not a tokeniser"):
        Subwords(path)
    content = json.loads(tokeniser(["it"])) | {"post_processor": None}
    path.write_text(json.dumps(content))
    with pytest.raises(RemergeError, match="do not end with token 1"):
        Subwords(path)


# GLUE


ROWS: dict[str, dict[str, Any]] = {
    "cola": {"sentence": "They drank {the} pub.", "label": 1},
    "mnli": {"premise": "A", "hypothesis": "B", "label": 1},
    "qnli": {"question": "Who?", "sentence": "He did.", "label": 0},
    "stsb": {"sentence1": "A plane.", "sentence2": "A bird.", "label": 3.75},
}
EXAMPLES = {
    "cola": (
        'Indicate if the following sentence is grammatically correct or not: "They drank {the} pub.". '
        "Answere 'acceptable' or 'unacceptable'.",
        "acceptable",
    ),
    "mnli": (
        "Does the premise: 'A' logically imply, contradict, or is neutral to the hypothesis: 'B'? "
        "Answere with 'entailment', 'contradiction', or 'neutral'.",
        "neutral",
    ),
    "qnli": (
        "Given the context: 'He did.', does the question 'Who?' have an answer based on the information provided? "
        "Answer with 'yes' or 'no'.",
        "yes",
    ),
    "stsb": (
        "Consider the sentences 'A plane.' and 'A bird.'. On a scale from 1 (completely different) to 5 "
        "(completely similar), rate the similarity.",
        "3.8",
    ),
}


@pytest.mark.parametrize("task", ROWS)
def test_a_row_becomes_the_published_instruction(task: str) -> None:
    assert glue_task(task).example(ROWS[task]) == EXAMPLES[task]
    assert set(glue_task(task).columns) == ROWS[task].keys()


def test_a_row_without_label_is_refused() -> None:
    with pytest.raises(RemergeError, match="cola: the label -1 is none of 0 to 1"):
        glue_task("cola").example(ROWS["cola"] | {"label": -1})


def test_the_tasks_are_those_of_the_published_curves() -> None:
    published = pd.read_csv(ROOT / "published" / "curves_by_task.csv")
    sizes = dict(zip(published["task"], published["n"], strict=True))
    assert {task: glue_task(task).sizes["test"] for task in GLUE_TASKS} == sizes


def test_validation_texts_are_held_out_of_the_training_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, rows = {}, {"train-0": range(30), "train-1": range(30, 50), "validation-0": range(100, 107)}
    for name, places in rows.items():
        path = tmp_path / f"{name}.parquet"
        table = {"sentence": [f"s{place}" for place in places], "label": [place % 2 for place in places]}
        pq.write_table(pa.table(table | {"idx": list(places)}), path)
        paths[f"cola/{name}.parquet"] = path
    monkeypatch.setattr(downloads, "recorded", lambda record: HubFiles(REPOSITORY, "0", paths, {}))
    read = {split: read_texts("record", "cola", split) for split in ("train", "validation", "test")}
    numbers = {split: [int(re.findall(r'"s(\d+)"', text)[0]) for text in texts.texts] for split, texts in read.items()}
    assert sorted(numbers["train"] + numbers["validation"]) == list(range(50))
    assert len(numbers["validation"]) == 5
    assert numbers["test"] == list(range(100, 107))
    words = {split: [["unacceptable", "acceptable"][number % 2] for number in own] for split, own in numbers.items()}
    assert {split: texts.answers for split, texts in read.items()} == words
    file = io.BytesIO()
    pq.write_table(pa.table({"text": ["a"]}), file)
    paths["cola/validation-0.parquet"].write_bytes(file.getvalue())
    with pytest.raises(RemergeError, match="has no column sentence"):
        read_texts("record", "cola", "test")


def test_answers_have_numbers() -> None:
    mnli, stsb = form_of("mnli").number_of, form_of("stsb").number_of
    assert [mnli(answer) for answer in ("entailment", "contradiction", "Entailment", "yes", "")] == [
        *(0, 2),
        *[NO_ANSWER] * 3,
    ]
    assert [stsb(answer) for answer in ("3.8", "4", "-1", "1e9", "nan", "inf", "similar", "")] == [
        *(3800, 4000, 0, NO_ANSWER - 1),
        *[NO_ANSWER] * 4,
    ]
    assert [task for task in GLUE_TASKS if form_of(task).is_ranked] == ["stsb"]
    assert form_of("polish").number_of("2021-10-12") < NO_ANSWER


# The plan


def preset(size: str) -> Config:
    values = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    file = ROOT / "config" / f"flan-t5-{size}-lora.yaml"
    update_config(values, yaml.safe_load(file.read_text(encoding="utf-8")))
    return load_config(values, [ROOT / "config.yaml", file])


@pytest.mark.parametrize("size", ["base", "large"])
def test_presets_take_what_they_need_from_the_hub_and_are_gated(size: str) -> None:
    described, pool = preset(size), f"flan-t5-{size}-lora"
    plan = Plan(described, folders={}, needs=yaml.safe_load((ROOT / "workflow" / "resources.yaml").read_text()))
    wanted = {each.repository: each for each in plan.downloads.repositories()}
    adapters = {f"tanganke/flan-t5-{size}_glue-{task}_lora-16" for task in GLUE_TASKS}
    assert wanted.keys() == {f"google/flan-t5-{size}", REPOSITORY, *adapters}
    assert not any(each.can_lack for each in wanted.values())
    assert len(wanted[REPOSITORY].files) == 2 * len(GLUE_TASKS)
    assert plan.merging.gate(pool, "glue") == f"results/{pool}/tables/glue/zero_shot_gate.csv"
    assert len(plan.downloads.records()) == 1 + 8 + 8
    assert plan.scores.swept("glue") == ["task-arithmetic", "ties"]
    rows = plan.methods.rows(pool)
    assert rows["task-arithmetic-tuned"]["uses"] == ["validation labels (perhaps trained on)"]
    remarks = plan.tasks.remarks(pool, "glue")
    assert all("test texts are GLUE's validation set" in remarks[task] for task in GLUE_TASKS)
    assert "rank correlation" in remarks["stsb"]
    assert not [path for path in plan.figures.files() if "samples" in path or "entropy" in path]


def test_the_doctor_knows_the_presets() -> None:
    needs = yaml.safe_load((ROOT / "workflow" / "resources.yaml").read_text())
    for size, parameters in (("base", 247_577_856), ("large", 783_150_080)):
        described, architecture = preset(size), f"flan-t5-{size}"
        assert PARAMETERS[architecture][0] == pytest.approx(parameters, rel=0.01)
        main, in_all = operations(described)
        # Two curves of eleven models are most of it.
        assert 1e14 < main < in_all < 1e18
        # The model, eight adapters and GLUE.
        assert 4 * parameters < hub_bytes(described) < 4 * parameters + 4e8
        assert sum(results_bytes(described).values()) > 20 * 4 * parameters
        assert memory(described, needs, limit=10**11).verdict == "fine"
        assert memory(described, needs, limit=10**9).verdict == "will fail"


@pytest.mark.parametrize(
    ("pool", "suite", "told"),
    [
        ({"architecture": "flan-t5-base"}, ["cola"], "need each other"),
        ({"origin": "fusionbench-lora", "architecture": "ViT-B-32"}, ["MNIST"], "need each other"),
        ({"origin": "fusionbench-lora", "architecture": "flan-t5-base"}, ["polish"], "polish: of texts, which pool"),
        ({"architecture": "t5-mini"}, ["cola"], "cola: of instructions, which pool"),
        ({"origin": "fusionbench", "architecture": "t5-mini"}, ["polish"], "is only trained here"),
    ],
)
def test_pools_and_tasks_that_do_not_fit_are_refused(pool: dict[str, str], suite: list[str], told: str) -> None:
    methods = {"pretrained": {"label": "Pretrained", "algorithm": "pretrained"}}
    with pytest.raises(RemergeError, match=told):
        load_config({"pools": {"pool": pool}, "suites": {"suite": suite}, "methods": methods})
