"""LoRA adapters merge as the models that they stand for, and what is not plain LoRA is refused by name."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

import remerge
from remerge.checkpoints import lora
from remerge.checkpoints.lora import Adapter, LowRank
from remerge.checkpoints.sets import CheckpointSet
from remerge.errors import MismatchError, ParameterError, RemergeError
from remerge.merging.checkpoints import merge_checkpoints
from remerge.methods import task_arithmetic, ties

Model = dict[str, Tensor]
PREFIX = "base_model.model."
Q, V, UP = (f"model.layers.{name}" for name in ("0.attn.q_proj", "1.attn.v_proj", "1.mlp.up_proj"))
SHAPES = {f"{Q}.weight": (8, 8), f"{V}.weight": (6, 8), f"{UP}.weight": (10, 8)}


def base(dtype: torch.dtype = torch.float32) -> Model:
    generator = torch.Generator().manual_seed(0)
    shapes = {"model.embed_tokens.weight": (12, 8), f"{Q}.bias": (8,), "score.weight": (3, 8), **SHAPES}
    return {key: torch.randn(shape, generator=generator).to(dtype) for key, shape in shapes.items()}


def factors(module: str, out: int, into: int, rank: int) -> Model:
    generator = torch.Generator().manual_seed(len(module) + rank)
    shapes = {"A": (rank, into), "B": (out, rank)}
    return {
        f"{PREFIX}{module}.lora_{name}.weight": torch.randn(shape, generator=generator).mul_(0.3)
        for name, shape in shapes.items()
    }


def plain() -> Model:
    """An adapter of rank 2 of two modules."""
    return factors(Q, 8, 8, 2) | factors(V, 6, 8, 2)


def write_adapter(folder: Path, tensors: Model, **config: Any) -> Path:
    folder.mkdir(parents=True)
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, folder / "adapter_model.safetensors")
    # What PEFT writes of an adapter of the usual kind.
    written = {
        "peft_type": "LORA",
        "r": 2,
        "lora_alpha": 3,
        "target_modules": ["q_proj", "v_proj"],
        "bias": "none",
        "base_model_name_or_path": "some/model",
        "lora_dropout": 0.1,
        "init_lora_weights": True,
        "use_dora": False,
        "rank_pattern": {},
        "alpha_pattern": {},
        "modules_to_save": None,
        "layer_replication": None,
        "fan_in_fan_out": False,
        "use_rslora": False,
        "inference_mode": True,
        "task_type": "CAUSAL_LM",
        "megatron_core": "megatron.core",
        "loftq_config": {},
        "qalora_group_size": 16,
        "eva_config": None,
    }
    (folder / "adapter_config.json").write_text(json.dumps(written | config))
    return folder


def applied(tmp_path: Path, adapter: Path, start: Model) -> Model:
    """The model that an adapter stands for, written by merging it alone."""
    save_file(start, tmp_path / "base.safetensors")
    merge_checkpoints(task_arithmetic.merge_rule, tmp_path / "base.safetensors", [adapter], tmp_path / "out", scaling=1)
    return load_file(tmp_path / "out" / "base.safetensors")


def product(tensors: Model, module: str, scaling: float) -> np.ndarray:
    """``scaling * B @ A`` in float64."""
    a, b = (tensors[f"{PREFIX}{module}.lora_{name}.weight"].double().numpy() for name in "AB")
    return scaling * np.einsum("or,ri->oi", b, a)


def assert_changed(merged: Model, start: Model, changes: dict[str, np.ndarray]) -> None:
    assert merged.keys() == start.keys()
    for key, before in start.items():
        if key not in changes:
            assert torch.equal(merged[key], before), key
            continue
        expected = before.double().numpy() + changes[key]
        np.testing.assert_allclose(merged[key].double().numpy(), expected, rtol=0, atol=1e-6)
        assert merged[key].dtype == before.dtype


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_an_adapter_adds_its_scaled_product(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {key: tensor.to(dtype) for key, tensor in plain().items()}
    merged = applied(tmp_path, write_adapter(tmp_path / "a", tensors), base())
    assert_changed(merged, base(), {f"{each}.weight": product(tensors, each, 3 / 2) for each in (Q, V)})


def test_rank_stabilised_adapters_divide_by_the_root_of_the_rank(tmp_path: Path) -> None:
    merged = applied(tmp_path, write_adapter(tmp_path / "a", plain(), use_rslora=True), base())
    assert_changed(merged, base(), {f"{each}.weight": product(plain(), each, 3 / math.sqrt(2)) for each in (Q, V)})


def test_patterns_give_modules_other_ranks_and_alphas(tmp_path: Path) -> None:
    tensors = factors(Q, 8, 8, 4) | factors(V, 6, 8, 2) | factors(UP, 10, 8, 1)
    adapter = write_adapter(
        tmp_path / "a",
        tensors,
        # The first match counts. A pattern matches the whole name, or what follows a dot.
        rank_pattern={"proj": 7, r"up_proj": 1, r"^model\.layers\.0\.attn\..*": 4, "q_proj": 9},
        alpha_pattern={r".*\.1\.mlp\..*": 5, "attn.v_proj": 6.5},
    )
    changes = {Q: 3 / 4, V: 6.5 / 2, UP: 5 / 1}
    merged = applied(tmp_path, adapter, base())
    assert_changed(merged, base(), {f"{key}.weight": product(tensors, key, value) for key, value in changes.items()})


def test_weights_stored_as_in_by_out_change_by_the_transpose(tmp_path: Path) -> None:
    start = base()
    for key in SHAPES:
        start[key] = start[key].T.contiguous()
    merged = applied(tmp_path, write_adapter(tmp_path / "a", plain(), fan_in_fan_out=True), start)
    assert_changed(merged, start, {f"{each}.weight": product(plain(), each, 3 / 2).T for each in (Q, V)})


def test_modules_to_save_and_biases_replace_the_pretrained_ones(tmp_path: Path) -> None:
    whole = {"score.weight": torch.randn(3, 8), f"{Q}.bias": torch.randn(8)}
    stored = {f"{PREFIX}score.weight": whole["score.weight"], f"{PREFIX}{Q}.base_layer.bias": whole[f"{Q}.bias"]}
    adapter = write_adapter(tmp_path / "a", plain() | stored, modules_to_save=["score"], bias="all")
    changes = {f"{each}.weight": product(plain(), each, 3 / 2) for each in (Q, V)}
    changes |= {key: (tensor.double() - base()[key].double()).numpy() for key, tensor in whole.items()}
    assert_changed(applied(tmp_path, adapter, base()), base(), changes)


def test_an_adapter_beside_a_checkpoint_merges_as_its_dense_model(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(5)
    start, tuned = base(), {key: value + torch.randn(value.shape, generator=generator) for key, value in base().items()}
    dense = start | {
        f"{each}.weight": start[f"{each}.weight"] + torch.from_numpy(product(plain(), each, 3 / 2)).float()
        for each in (Q, V)
    }
    for name, weights in (("base", start), ("tuned", tuned), ("dense", dense)):
        save_file(weights, tmp_path / f"{name}.safetensors")
    write_adapter(tmp_path / "a", plain())
    for out, other in (("of-adapter", "a/adapter_model.safetensors"), ("of-dense", "dense.safetensors")):
        files = [tmp_path / name for name in ("base.safetensors", "tuned.safetensors", other)]
        merge_checkpoints(ties.merge_rule, files[0], files[1:], tmp_path / out, scaling=0.4)
    merged, expected = (CheckpointSet(tmp_path / out) for out in ("of-adapter", "of-dense"))
    for key in start:
        torch.testing.assert_close(merged[key], expected[key], atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_library_merges_adapters_and_models_as_the_command_does(tmp_path: Path, dtype: torch.dtype) -> None:
    start, tuned = base(dtype), {key: tensor + 0.5 for key, tensor in base(dtype).items()}
    folder = write_adapter(tmp_path / "a", plain())
    for name, weights in (("base", start), ("tuned", tuned)):
        save_file(weights, tmp_path / f"{name}.safetensors")
    files = [folder, tmp_path / "tuned.safetensors"]
    merge_checkpoints(ties.merge_rule, tmp_path / "base.safetensors", files, tmp_path / "out", scaling=0.4)
    expected = load_file(tmp_path / "out" / "base.safetensors")
    for adapter in (folder, str(folder), folder / "adapter_model.safetensors"):
        merged = remerge.merge(start, [adapter, tuned], "ties", scaling=0.4)
        assert merged.keys() == expected.keys()
        assert all(torch.equal(merged[key], tensor) for key, tensor in expected.items())


def test_the_library_refuses_what_is_no_adapter_or_of_another_model(tmp_path: Path) -> None:
    save_file(base(), tmp_path / "base.safetensors")
    with pytest.raises(
        ParameterError, match=r"base\.safetensors: not a LoRA adapter; load the checkpoint, and give its"
    ):
        remerge.merge(base(), [tmp_path / "base.safetensors"], "ties")
    adapter = write_adapter(tmp_path / "a", renamed("layers.0", "layers.7")(plain()))
    with pytest.raises(MismatchError, match="the adapter does not fit the pre-trained"):
        remerge.merge(base(), [adapter], "ties")
    with pytest.raises(ParameterError, match="finetuned must be a list of models, got one model"):
        remerge.merge(base(), str(adapter), "ties")


@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_entries_are_the_same_in_any_range(data: st.DataObject) -> None:
    rows, rank, columns = (data.draw(st.integers(1, most)) for most in (40, 4, 40))
    begin = data.draw(st.integers(0, rows * columns - 1))
    end = data.draw(st.integers(begin + 1, rows * columns))
    generator = torch.Generator().manual_seed(rows + rank + columns)
    left, right = (torch.randn(shape, generator=generator) for shape in ((rows, rank), (rank, columns)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lora, "BLOCK", 100)
        entries = LowRank(left, right, 0.7).entries(torch.float32)
        whole = entries(0, rows * columns)
        assert torch.equal(entries(begin, end), whole[begin:end])
    torch.testing.assert_close(whole, (0.7 * (left.double() @ right.double())).reshape(-1).float())


def test_a_change_larger_than_memory_is_computed_in_parts() -> None:
    # A terabyte, had it been formed whole.
    change = LowRank(torch.ones(1, 2).expand(2**19, 2), torch.ones(2, 1).expand(2, 2**19), 0.5)
    entries = change.entries(torch.float32)(2**37 + 5, 2**37 + 9)
    assert entries.tolist() == [1.0] * 4


def without_rank_part(tensors: Model) -> Model:
    return {key: tensor for key, tensor in tensors.items() if not key.endswith(f"{V}.lora_B.weight")}


def renamed(old: str, new: str) -> Callable[[Model], Model]:
    return lambda tensors: {key.replace(old, new): tensor for key, tensor in tensors.items()}


def with_tensor(name: str, *shape: int) -> Callable[[Model], Model]:
    return lambda tensors: tensors | {name: torch.ones(shape)}


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            {"peft_type": "LOHA"},
            "adapter_config.json: `peft_type` is 'LOHA', only 'LORA' is supported; merge the adapter",
        ),
        (
            {"use_dora": True},
            "adapter_config.json: `use_dora: true` is not supported; merge the adapter into its model",
        ),
        ({"layer_replication": [[0, 1], [0, 1]]}, "`layer_replication: [[0, 1], [0, 1]]` is not supported"),
        ({"lora_bias": True}, "`lora_bias: true` is not supported"),
        ({"trainable_token_indices": [1]}, "`trainable_token_indices: [1]` is not supported"),
        ({"target_parameters": ["mlp.experts"]}, '`target_parameters: ["mlp.experts"]` is not supported'),
        ({"invented_later": "x"}, '`invented_later: "x"` is not supported'),
        ({"init_lora_weights": "pissa_niter_4"}, '`init_lora_weights: "pissa_niter_4"` replaced the weights'),
        ({"r": 4}, f"'{Q}' has lora_A of shape [2, 8] and lora_B of shape [8, 2], but rank 4 in adapter_config.json"),
        ({"r": None}, "`r` or `rank_pattern` must be positive whole numbers, got null"),
        ({"lora_alpha": "16"}, '`lora_alpha` or `alpha_pattern` must be numbers, got "16"'),
        ({"rank_pattern": {"(": 2}}, "'(' in a pattern is no regular expression"),
        ({"modules_to_save": ["score"]}, "has no tensor of 'score', one of `modules_to_save`; the file is damaged"),
        ({"fan_in_fan_out": True}, f"'{V}.weight' has shape [6, 8], its factors multiply to [8, 6]"),
    ],
)
def test_configurations_that_are_not_plain_lora_are_refused_by_name(
    tmp_path: Path, config: dict[str, Any], told: str
) -> None:
    with pytest.raises(RemergeError, match=re.escape(told)):
        applied(tmp_path, write_adapter(tmp_path / "a", plain(), **config), base())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without_rank_part, f"'{V}' has no lora_B; the file is damaged or incomplete"),
        (lambda tensors: {f"{PREFIX}score.weight": torch.ones(3, 8)}, "has no factors lora_A and lora_B"),
        (renamed(PREFIX, "unet."), "does not begin with 'base_model.model.'"),
        (renamed("lora_A", "lora_embedding_A"), "adapters of embeddings are not supported; merge the adapter"),
        (
            with_tensor(f"{PREFIX}{Q}.lora_magnitude_vector", 8),
            "lora_magnitude_vector': such tensors are not supported",
        ),
        (
            renamed("layers.0", "layers.7"),
            "'model.layers.7.attn.q_proj.weight' is not in the pre-trained: it is tied to",
        ),
        (renamed("model.model.", "model."), "which has 'model.layers.0.attn.q_proj.weight'; save the pre-trained with"),
        (lambda tensors: factors(Q, 9, 8, 2), f"'{Q}.weight' has shape [8, 8], its factors multiply to [9, 8]"),
        (with_tensor(f"{PREFIX}{Q}.lora_A.weight", 2, 8, 1, 1), "only linear layers are supported"),
        (
            with_tensor(f"{PREFIX}model.embed_tokens.weight", 14, 8),
            "the vocabularies differ: 'model.embed_tokens.weight' has 14 tokens (shape [14, 8]), in the pre-trained 12 "
            "(shape [12, 8]); bring all models to one size before merging, with transformers by "
            "`resize_token_embeddings(14)`",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(
    tmp_path: Path, change: Callable[[Model], Model], told: str
) -> None:
    with pytest.raises(RemergeError, match=re.escape(told)):
        applied(tmp_path, write_adapter(tmp_path / "a", change(plain())), base())
    assert not (tmp_path / "out").exists()


def test_files_that_are_missing_or_damaged_are_named(tmp_path: Path) -> None:
    def refused(name: str, told: str, change: Callable[[Path], object]) -> None:
        adapter = write_adapter(tmp_path / name, plain())
        change(adapter)
        with pytest.raises(RemergeError, match=re.escape(told)):
            applied(tmp_path, adapter, base())

    refused("a", "a/adapter_config.json: no such file", lambda folder: (folder / "adapter_config.json").unlink())
    refused("b", "b/adapter_config.json: cannot be read as JSON", lambda f: (f / "adapter_config.json").write_text("{"))
    refused("c", "c/adapter_model.safetensors: no such file", lambda f: (f / "adapter_model.safetensors").unlink())
    refused(
        "d",
        "d/adapter_model.bin: a pickle, which is never opened here",
        lambda folder: (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin"),
    )

    def cut(folder: Path) -> None:
        file = folder / "adapter_model.safetensors"
        file.write_bytes(file.read_bytes()[:-20])

    refused("e", "e/adapter_model.safetensors: not a whole safetensors file", cut)
    refused("f", "holds an adapter and a checkpoint", lambda f: save_file(base(), f / "model.safetensors"))


def test_nan_in_factors_is_told_before_anything_is_written(tmp_path: Path) -> None:
    tensors = plain()
    tensors[f"{PREFIX}{V}.lora_A.weight"][0, 3] = torch.nan
    with pytest.raises(RemergeError, match=f"task vector 1: '{V}.weight' holds 6 entries that are NaN"):
        applied(tmp_path, write_adapter(tmp_path / "a", tensors), base())
    assert not list((tmp_path / "out").iterdir())


def test_the_pretrained_model_is_no_adapter(tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "a", plain())
    with pytest.raises(
        RemergeError, match="a: is an adapter; the pre-trained must be the model that it was trained on"
    ):
        merge_checkpoints(task_arithmetic.merge_rule, adapter, [adapter], tmp_path / "out", scaling=1.0)


def test_an_adapter_of_another_model_names_at_most_ten_faults(tmp_path: Path) -> None:
    tensors: Model = {}
    for layer in range(12):
        tensors |= factors(f"model.layers.{layer + 5}.attn.q_proj", 8, 8, 2)
    with pytest.raises(MismatchError) as caught:
        Adapter(write_adapter(tmp_path / "a", tensors)).check_fits(base())
    assert str(caught.value).count("is not in the pre-trained") == 10
    assert str(caught.value).endswith("... and 2 more")
