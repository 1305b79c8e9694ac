"""Plug-ins wrap any method that merges task vectors alone, in the configuration and on the command line."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from remerge.checkpoints.sets import CheckpointSet
from remerge.commands import main
from remerge.config import load_config
from remerge.errors import ConfigError
from remerge.merging import streaming
from remerge.merging.streaming import merged_by
from remerge.methods import load
from remerge.methods.lines import depths
from remerge.plan.methods import Methods

ROOT = Path(__file__).parent.parent
TIES: dict[str, Any] = {"algorithm": "ties", "keep": 0.5, "merge": "mean"}
KEYS = {"conv": 0.0, "blocks.0.w": 0.0, "blocks.1.w": 0.5, "blocks.2.w": 1.0}


def merged(algorithm: str, vectors: list[dict[str, Tensor]], **parameters: Any) -> dict[str, Tensor]:
    return merged_by(load(algorithm).merge_rule(vectors, **parameters), vectors)


def random_vectors(seed: int, tasks: int) -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    # Few values, so that signs cancel and TIES must see tiles again.
    return [{key: torch.randn(6, 5, generator=generator).mul(2).round().double() for key in KEYS} for _ in range(tasks)]


@given(st.integers(0, 99), st.integers(1, 4), st.floats(0, 1), st.sampled_from(["task_arithmetic", TIES]))
def test_lines_is_the_papers_formula(seed: int, tasks: int, beta: float, around: Any) -> None:
    vectors = random_vectors(seed, tasks)
    around = {"algorithm": around} if isinstance(around, str) else around
    wrapped = merged(**around, vectors=vectors)
    summed = sum(np.abs(sum(vector[key].numpy() for vector in vectors)).sum() for key in KEYS)
    norm = sum(np.abs(wrapped[key].numpy()).sum() for key in KEYS)
    alpha = summed / norm / tasks if norm else 0.0
    found = merged("lines", vectors, around=around, beta=beta)
    for key, depth in KEYS.items():
        np.testing.assert_allclose(found[key], (alpha + beta * depth) * wrapped[key].numpy(), rtol=1e-12)


@given(st.integers(0, 99), st.integers(1, 4), st.floats(0, 2))
def test_lines_without_slope_is_the_wrapped_method_scaled(seed: int, tasks: int, alpha: float) -> None:
    vectors = random_vectors(seed, tasks)
    found, wrapped = merged("lines", vectors, around=TIES, alpha=alpha, beta=0.0), merged(**TIES, vectors=vectors)
    assert all(torch.equal(found[key], alpha * wrapped[key]) for key in KEYS)


def test_lines_measures_what_the_wrapped_rule_merges_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    # Signs of the first entries cancel, and go with those of the last tile.
    vectors = [{"blocks.0.w": torch.tensor([1.0, -1.0, 0.0, 2.0])}, {"blocks.0.w": torch.tensor([-1.0, 1.0, 0.0, 2.0])}]
    monkeypatch.setattr(streaming, "TILE", 4)
    around = {"algorithm": "ties", "keep": 1.0, "merge": "sum"}
    assert merged(**around, vectors=vectors)["blocks.0.w"].tolist() == [1, 1, 0, 4]
    assert merged("lines", vectors, around=around, beta=0.0)["blocks.0.w"].tolist() == pytest.approx(
        [1 / 3, 1 / 3, 0, 4 / 3]
    )


def test_lines_leaves_nothing_merged_as_it_is() -> None:
    vectors = [{"w": torch.tensor([1.0])}, {"w": torch.tensor([-1.0])}]
    assert merged("lines", vectors, around={"algorithm": "task_arithmetic"})["w"].tolist() == [0]


def test_depth_counts_blocks_of_every_stack() -> None:
    names = ["visual.blocks.0.w", "visual.blocks.11.w", "visual.blocks.1.w", "text.blocks.0.w", "text.blocks.2.w"]
    assert list(depths(names).values()) == [0, 1, 1 / 11, 0, 1]
    assert list(depths(["only.0.w", "0.w", "w.3", "layers.4.experts.7.w"]).values()) == [0, 0, 0, 1]


def configured(**entry: Any) -> Any:
    values = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    values["methods"]["wrapping"] = {"label": "Wrapping", "algorithm": "lines", **entry}
    return load_config(values)


def test_the_configuration_tells_a_wrapped_method_by_name_or_with_parameters() -> None:
    plain = configured(around="ties").methods["wrapping"]
    assert plain.around == {"algorithm": "ties", "keep": 0.2, "merge": "sum", "scope": "vector"}
    nested = configured(around={"algorithm": "lines", "beta": 0.1, "around": {"algorithm": "ties", "keep": 0.3}})
    method = nested.methods["wrapping"]
    assert (method.around["beta"], method.around["around"]["keep"]) == (0.1, 0.3)
    assert method.merging_parameters(7)["around"]["around"]["frozen_entries"] == 7
    assert Methods(nested).modules("wrapping") == [f"remerge/methods/{name}.py" for name in ("lines", "lines", "ties")]


@pytest.mark.parametrize(
    ("around", "told"),
    [
        ("tie", "methods.wrapping.around.algorithm: unknown algorithm 'tie'; did you mean 'ties'?"),
        ("fisher", "methods.wrapping.around.algorithm: unknown algorithm 'fisher'; known: weight_averaging"),
        ("own", "methods.wrapping.around.file: missing"),
        ({"algorithm": "ties", "keep": 2.0}, "methods.wrapping.around.keep: must be at most 1, got 2.0"),
        ({"algorithm": "ties", "scaling": 0.3}, "methods.wrapping.around.scaling: unknown key; known: algorithm, keep"),
        (
            {"algorithm": "lines", "around": {"algorithm": "ties", "kep": 1.0}},
            "around.around.kep: unknown key; did you",
        ),
        ({"algorithm": "own", "file": "nowhere.py"}, "methods.wrapping.around.file: nowhere.py: cannot be read"),
        (3, "methods.wrapping.around: must be a mapping"),
    ],
)
def test_faults_in_a_wrapped_method_are_named_with_their_place(around: Any, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(around=around)
    assert told in str(caught.value)


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["remerge", "merge", *map(str, arguments)])
    main()


@pytest.mark.parametrize(
    ("around", "values"), [("task_arithmetic", [1.0, 4.0]), ('{"algorithm": "ties", "keep": 0.5}', [0.0, 4.0])]
)
def test_the_command_merges_around_another_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, around: str, values: list[float]
) -> None:
    save_file({"w": torch.zeros(2)}, tmp_path / "start.safetensors")
    save_file({"w": torch.tensor([0.5, 2.0])}, tmp_path / "tuned.safetensors")
    command(
        monkeypatch,
        *("--method", "lines", "--around", around, "--alpha", 2, "--out", tmp_path / "out"),
        *("--pretrained", tmp_path / "start.safetensors", "--finetuned", tmp_path / "tuned.safetensors"),
    )
    assert CheckpointSet(tmp_path / "out")["w"].tolist() == values


@pytest.mark.parametrize(
    ("around", "told"),
    [
        ("tie", """--around: must be one of weight_averaging, task_arithmetic, ties, lines, own, or such as"""),
        ('{"algorithm": "ties", "keep": 2}', "--around: keep: must be at most 1, got 2"),
        ('{"algorithm": "ties", "scaling": 2}', "--around: scaling: ties has none; remove it"),
        ("lines", "--around: around: missing; lines needs it"),
    ],
)
def test_the_command_names_faults_in_a_wrapped_method(monkeypatch: pytest.MonkeyPatch, around: str, told: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        command(
            monkeypatch,
            *("--method", "lines", "--around", around, "--pretrained", "a", "--finetuned", "b", "--out", "c"),
        )
    assert str(stopped.value.code).startswith(f"error: {told}")
