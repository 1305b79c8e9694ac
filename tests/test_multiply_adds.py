"""Multiply-adds counted from the shapes in files are those that torch counts while an image is encoded."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from remerge.checkpoints.headers import read_shapes
from remerge.clip.architectures import described
from remerge.clip.encoders import build_clip, load_encoder
from remerge.merging import ensembled, twins
from remerge.merging.adapted import DOWN, UP
from remerge.merging.assemblies import ASSEMBLIES, MergedFiles
from remerge.merging.merged import load_merged, save_merged
from remerge.merging.multiply_adds import of_encoder
from remerge.merging.routers import stored_router
from remerge.methods import load

TASKS = ("a", "b", "c")


@pytest.fixture(scope="module")
def start() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return dict(build_clip("mini").visual.state_dict())


@pytest.fixture(autouse=True)
def attention_in_single_operations() -> Iterator[None]:
    """Weights that are not trained would be multiplied in one operation, which torch does not count."""
    torch.backends.mha.set_fastpath_enabled(False)
    yield
    torch.backends.mha.set_fastpath_enabled(True)


def counted(encoder: nn.Module) -> float:
    """Multiply-adds of one image, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        encoder(torch.zeros(1, 3, 32, 32))
    return counter.get_total_flops() / 2


def test_an_encoders_are_counted(tmp_path: Path, start: dict[str, Tensor]) -> None:
    save_merged(tmp_path / "m.safetensors", start, described("mini"))
    assert of_encoder(read_shapes(tmp_path / "m.safetensors")) == counted(load_encoder(tmp_path / "m.safetensors"))
    assert MergedFiles(tmp_path / "m.safetensors").more_per_image == 0


def test_an_adapters_are_added(tmp_path: Path, start: dict[str, Tensor]) -> None:
    path = tmp_path / "m.safetensors"
    parts = {task: {DOWN: torch.randn(16, 128), UP: torch.randn(128, 16)} for task in TASKS}
    save_merged(path, start, described("mini"), "adapted", parts)
    added = counted(load_merged(path).encoder_for("a")) - counted(load_encoder(path))
    assert added == 2 * 16 * 128
    assert MergedFiles(path).more_per_image == pytest.approx(100 * added / of_encoder(read_shapes(path)))


def test_a_token_passes_the_gates_of_all_tasks_and_the_factors_of_one(tmp_path: Path, start: dict[str, Tensor]) -> None:
    path = tmp_path / "m.safetensors"
    vectors = {task: {key: torch.randn(tensor.shape) for key, tensor in start.items()} for task in TASKS}
    shared, parts = load("smile").parts(start, vectors, rank=8, gate_rank=4)
    save_merged(path, shared, described("mini"), "routed", parts)
    added = counted(load_merged(path).encoder_for("a")) - counted(load_encoder(path))
    assert MergedFiles(path).more_per_image == pytest.approx(100 * added / of_encoder(read_shapes(path)))


def test_an_image_passes_the_shared_expert_and_the_router_and_its_weights_are_mixed(
    tmp_path: Path, start: dict[str, Tensor]
) -> None:
    path = tmp_path / "m.safetensors"
    vectors = {task: {key: torch.randn(tensor.shape) for key, tensor in start.items()} for task in TASKS}
    parameters = {"around": {"algorithm": "task_arithmetic"}, "coefficient": 0.3, "rank": 0.1}
    shared, parts = load("twin").parts(start, vectors, **parameters)
    router = stored_router(twins.new_router(128, len(TASKS)).state_dict())
    save_merged(path, shared | router, described("mini"), "twin", parts)
    added = counted(load_merged(path).encoder_for("a")) - of_encoder(read_shapes(path))
    assert MergedFiles(path).more_per_image == pytest.approx(100 * added / of_encoder(read_shapes(path)))
    assert added > 3 * sum(tensor.numel() for tensor in start.values())


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_every_token_passes_the_routers_of_blocks_whose_weights_are_mixed(
    layers: int, tmp_path: Path, start: dict[str, Tensor]
) -> None:
    path = tmp_path / "m.safetensors"
    vectors = {task: {key: torch.randn(tensor.shape) for key, tensor in start.items()} for task in TASKS}
    shared, parts = load("wemoe").parts(start, vectors, coefficient=0.3)
    encoder = build_clip("mini").visual
    ensembled.put_routers_in(encoder, list(parts.values()), layers)
    router = stored_router({name: tensor for name, tensor in encoder.state_dict().items() if ".router." in name})
    save_merged(path, shared | router, described("mini"), "ensembled", parts)
    added = counted(load_merged(path).encoder_for("a")) - of_encoder(read_shapes(path))
    assert MergedFiles(path).more_per_image == pytest.approx(100 * added / of_encoder(read_shapes(path)))
    assert added > 0


def test_weights_made_for_a_task_take_no_more_and_what_is_not_counted_says_nothing(
    tmp_path: Path, start: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.safetensors"
    vectors = {task: {key: torch.randn(tensor.shape) for key, tensor in start.items()} for task in TASKS}
    shared, parts = load("emr").parts(start, vectors, rescaler="tensors")
    save_merged(path, shared, described("mini"), "masked", parts)
    assert MergedFiles(path).more_per_image == 0
    assembly = ASSEMBLIES["masked"]
    monkeypatch.setitem(ASSEMBLIES, "masked", type(assembly)(assembly.module, assembly.name))
    assert MergedFiles(path).more_per_image is None
