"""Texts are stored, read as characters, learned from and scored; what follows from weights is as for images."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from remerge.checkpoints.weights import save_weights
from remerge.config.models import Config, Pool
from remerge.doctor.disk import results_bytes
from remerge.doctor.estimates import PARAMETERS
from remerge.doctor.machine import memory
from remerge.errors import RemergeError
from remerge.merging.masked import part_weights, shared_weights
from remerge.merging.matrices import matrices_in
from remerge.merging.merged import save_merged
from remerge.plan import Plan
from remerge.run.resume import Progress
from remerge.run.sources import source_files
from remerge.scoring import texts as scoring
from remerge.scoring.answers import unpack_classes, unpack_right
from remerge.scoring.scores import read_scores, write_scores
from remerge.scoring.texts import load_models, score_model
from remerge.t5.architectures import ARCHITECTURES
from remerge.t5.characters import CHARACTERS, END, PADDING, VOCABULARY, decoded, encoded
from remerge.t5.model import T5
from remerge.t5.models import load_t5, padded
from remerge.t5.training import finetune, pretrain
from remerge.tasks.dates import SIZES, TASKS, examples, number_of
from remerge.texts import NO_ANSWER
from remerge.texts.store import TextSet, load_texts, save_texts

ROOT = Path(__file__).parent.parent
HEADER = {"architecture": "t5-mini"}
POLISH = TextSet(*map(list, zip(*examples("polish", "train")[:64], strict=True)))
LORA: dict[str, Any] = {"steps": 3, "batch_size": 8, "learning_rate": 0.01, "rank": 2, "alpha": 4.0}


@pytest.fixture(scope="module")
def pretrained() -> T5:
    return pretrain("t5-mini", steps=2, batch_size=8, learning_rate=0.02, exposure=0.02, seed=0)


# Texts


@settings(max_examples=30)
@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1))))
def test_texts_come_back_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, pairs: list) -> None:
    folder = tmp_path_factory.mktemp("texts")
    # What ends a string in C is in no text.
    pairs = [pair for pair in pairs if "\0" not in "".join(pair) and all(map(_encodable, pair))]
    texts = TextSet([text for text, _ in pairs], [answer for _, answer in pairs])
    save_texts(folder / "texts.csv", texts, folder / "hashes.txt")
    assert load_texts(folder / "texts.csv") == texts
    lines = (folder / "hashes.txt").read_text(encoding="ascii").split()
    assert len(lines) == len(texts)
    assert len(set(lines)) == len(set(texts.texts))


def _encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def test_other_files_are_no_texts(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("task,correct\na,1\n", encoding="utf-8")
    with pytest.raises(RemergeError, match=r"scores\.csv: not a file of texts .*; delete it"):
        load_texts(path)


@given(st.text(CHARACTERS[1:]))
def test_characters_are_tokens_and_back(text: str) -> None:
    (tokens,) = encoded([text])
    assert decoded(tokens) == text
    assert decoded([*tokens, PADDING, 7, PADDING]) == text
    assert tokens[-1] == END
    assert all(END < token < VOCABULARY for token in tokens[:-1])


@pytest.mark.parametrize("split", SIZES)
def test_every_text_and_answer_can_be_read(split: str) -> None:
    for task in TASKS:
        for text, answer in examples(task, split):
            assert [decoded(tokens) for tokens in encoded([text, answer])] == [text, answer]


# Training


def test_lora_changes_the_linear_layers_of_blocks_alone(pretrained: T5) -> None:
    before = {key: tensor.clone() for key, tensor in pretrained.state_dict().items()}
    expert = finetune(pretrained, POLISH, "polish", seed=0, **LORA).state_dict()
    assert expert.keys() == before.keys()
    assert all(torch.equal(pretrained.state_dict()[key], tensor) for key, tensor in before.items())
    changed = {key for key in before if not torch.equal(before[key], expert[key])}
    assert changed == {matrix.places[0].key for matrix in matrices_in(_shapes(before), "linear", "stored")}
    for key in changed:
        assert torch.linalg.matrix_rank(expert[key].double() - before[key].double(), rtol=1e-4) <= LORA["rank"]


def _shapes(weights: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in weights.items()}


def test_experts_depend_on_task_and_seed_and_nothing_else(pretrained: T5) -> None:
    def expert(task: str, seed: int) -> torch.Tensor:
        torch.rand(3)
        weights = finetune(pretrained, POLISH, task, seed=seed, **LORA).state_dict()
        return weights["encoder.block.0.layer.0.SelfAttention.q.weight"]

    first = expert("polish", 0)
    assert torch.equal(first, expert("polish", 0))
    assert not torch.equal(first, expert("polish", 1))
    assert not torch.equal(first, expert("czech", 0))


class _CutOffError(Exception):
    pass


class _CutOff(Progress):
    """Saves the state after every step, and stops at one."""

    def __init__(self, path: Path, last: int | None) -> None:
        super().__init__(path, "key", seconds=0.0)
        self.last = last

    def save(self, state: Any) -> None:
        super().save(state)
        if state()["step"] == self.last:
            raise _CutOffError


def test_training_goes_on_where_it_was_cut_off(pretrained: T5, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"steps": 4, "batch_size": 8, "learning_rate": 0.02, "exposure": 0.02, "seed": 0}
    for make in (
        lambda progress: pretrain("t5-mini", **settings, progress=progress),
        lambda progress: finetune(pretrained, POLISH, "polish", seed=0, **LORA, progress=progress),
    ):
        path = tmp_path / "state.safetensors"
        with pytest.raises(_CutOffError):
            make(_CutOff(path, 2))
        resumed, whole = make(_CutOff(path, None)).state_dict(), make(None).state_dict()
        assert all(torch.equal(whole[key], resumed[key]) for key in whole)
        path.unlink()


# Models in files


def test_models_come_back_and_others_are_refused(pretrained: T5, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_weights(path, pretrained.state_dict(), HEADER)
    assert all(torch.equal(load_t5(path).state_dict()[key], value) for key, value in pretrained.state_dict().items())
    save_weights(path, pretrained.state_dict(), {"architecture": "mini"})
    with pytest.raises(RemergeError, match="has architecture 'mini'; known: t5-mini"):
        load_t5(path)
    save_weights(path, {"a": torch.zeros(2)}, HEADER)
    with pytest.raises(RemergeError, match="not the weights of its architecture"):
        load_t5(path)


def test_a_result_with_parts_is_a_model_for_every_task(pretrained: T5, tmp_path: Path) -> None:
    path, weights = tmp_path / "emr.safetensors", pretrained.state_dict()
    vector = {key: torch.full_like(tensor, 0.5) for key, tensor in weights.items() if tensor.ndim == 2}
    masks = {
        task: {key: torch.rand(tensor.shape, generator=torch.Generator().manual_seed(seed)) < 0.5}
        for seed, task in enumerate(("polish", "czech"))
        for key, tensor in list(vector.items())[:1]
    }
    parts = {task: part_weights(of_task, 2.0) for task, of_task in masks.items()}
    save_merged(path, shared_weights(weights, vector), HEADER, "masked", parts)
    model_for = load_models(path)
    for task in ("czech", "polish", "czech"):
        made = model_for(task).state_dict()
        for key, tensor in weights.items():
            added = 2.0 * vector[key] * masks[task][key] if key in masks[task] else torch.zeros(())
            torch.testing.assert_close(made[key], tensor + added)


def test_padding_changes_no_answer(pretrained: T5) -> None:
    texts = ["pl: 3 maja 1999", "hr: 12. listopada 2021."]
    alone = [scoring.answers(pretrained, [text], 12)[0] for text in texts]
    assert scoring.answers(pretrained, texts, 12) == alone
    assert scoring.answers(pretrained, texts * 2, 12, batch_size=3) == alone * 2
    assert padded([[5, 1], [5, 6, 1]]).tolist() == [[5, 1, 0], [5, 6, 1]]


# Scores


def test_scores_count_right_and_valid_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given_answers = {"polish": ["2021-10-12", "2021-10-13", "2021-10"], "czech": ["1999-01-01"]}
    sets = {
        "polish": TextSet(["a", "b", "c"], ["2021-10-12", "2021-10-12", "2021-10-12"]),
        "czech": TextSet(["d"], ["1999-01-01"]),
    }
    by_texts = {tuple(sets[task].texts): given_answers[task] for task in sets}
    monkeypatch.setattr(scoring, "answers", lambda model, texts, longest, **more: by_texts[tuple(texts)])
    scores = score_model(lambda task: T5(ARCHITECTURES["t5-mini"]), sets, progress=False)
    assert scores[["task", "correct", "n", "valid"]].to_dict("list") == {
        "task": ["polish", "czech"],
        "correct": [1, 1],
        "n": [3, 1],
        "valid": [2, 1],
    }
    packed = scores.set_index("task").loc["polish"]
    assert unpack_right(packed["right"], 3).tolist() == [True, False, False]
    assert unpack_classes(packed["predicted"], 3).tolist() == [
        number_of("2021-10-12"),
        number_of("2021-10-13"),
        NO_ANSWER,
    ]
    write_scores(tmp_path / "scores.csv", scores.assign(split="test"))
    pd.testing.assert_series_equal(read_scores(tmp_path / "scores.csv")["valid"], scores["valid"])


# The plan


def config(**changes: Any) -> Config:
    values = yaml.safe_load((ROOT / "tests" / "tiny-text.yaml").read_text(encoding="utf-8"))
    return Config.model_validate(values | changes)


def plan_of(described: Config) -> Plan:
    return Plan(described, folders={}, needs=yaml.safe_load((ROOT / "workflow" / "resources.yaml").read_text()))


def test_a_pool_reads_what_its_architecture_does() -> None:
    plan = plan_of(config())
    assert plan.pools.reading("texts") == ["mini-text"]
    assert not plan.pools.reading("images") + plan.pools.small() + plan.pools.trained()
    assert Pool().reads == "images"


def test_nothing_of_a_pool_of_texts_needs_images() -> None:
    plan = plan_of(config())
    files = [*plan.figures.files(), *plan.tables.fidelity(), plan.images.audit("mini-text")]
    files += [file for paths in plan.report.files().values() for file in paths]
    assert not [file for file in files if "results/images" in file or "entropy" in file or "samples" in file]
    assert plan.images.audit("mini-text") in plan.report.files()["audits"]
    figures = plan.figures.of_suite("mini-text", "two")
    assert {"scalings", "valid_answers"} <= set(figures)
    mini = {"pools": {"mini": {"architecture": "mini"}}, "suites": {"two": ["latin", "digits"]}}
    assert "valid_answers" not in plan_of(config(**mini)).figures.of_suite("mini", "two")


def test_the_doctor_knows_pools_of_texts() -> None:
    model = T5(ARCHITECTURES["t5-mini"])
    count = sum(parameter.numel() for parameter in model.parameters())
    assert PARAMETERS["t5-mini"][0] == pytest.approx(count, rel=0.01)
    needs = yaml.safe_load((ROOT / "workflow" / "resources.yaml").read_text())
    assert 0 < sum(results_bytes(config()).values()) < 1e8
    assert memory(config(), needs, limit=10**10).verdict == "fine"


# Imports


SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
OF_TEXTS = {
    *("draw_texts", "finetune_lora", "flan_t5", "prepare_texts", "pretrain_t5"),
    *("score_text_expert", "score_texts", "sweep_texts"),
}
FOLDERS = ("remerge/t5/", "remerge/texts/", "remerge/scoring/texts.py")
# What checks of the configuration read.
PLAIN = (
    *("remerge/t5/__init__.py", "remerge/t5/architectures.py", "remerge/t5/characters.py"),
    "remerge/texts/__init__.py",
)
TOKENISERS = Path("remerge/t5/tokenisers.py")


def test_jobs_on_images_load_nothing_of_texts() -> None:
    loading = {
        script.stem
        for script in SCRIPTS
        for path in source_files(script.relative_to(ROOT), ROOT)
        if path.as_posix().startswith(FOLDERS) and path.as_posix() not in PLAIN
    }
    assert loading == OF_TEXTS
    assert not {"torch", "yaml"} & {name for path in PLAIN for name in _packages(ROOT / path)}


def test_no_job_imports_transformers_or_peft() -> None:
    for path in {path for script in SCRIPTS for path in source_files(script.relative_to(ROOT), ROOT)}:
        packages = set(_packages(ROOT / path))
        assert not {"transformers", "peft"} & packages, path
        assert "tokenizers" not in packages or path == TOKENISERS


def _packages(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
