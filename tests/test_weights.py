"""Checkpoints on disk: equal content is equal bytes, reading is lazy, and a damaged file is named."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from remerge.checkpoints.headers import read_metadata
from remerge.checkpoints.weights import OnDevice, check_compatible, load_weights, save_weights
from remerge.errors import MismatchError, RemergeError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def test_many_metadata_fields_give_the_same_bytes_every_time(tmp_path: Path) -> None:
    metadata = {f"field {index}": str(index) for index in range(12)}
    for name in range(6):
        save_weights(tmp_path / str(name), {"w": torch.ones(3)}, metadata)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


@given(st.dictionaries(TEXT, TEXT, max_size=5), TEXT.filter(lambda key: key not in ("", "__metadata__")))
def test_any_metadata_and_key_come_back(
    tmp_path_factory: pytest.TempPathFactory, metadata: dict[str, str], key: str
) -> None:
    """Quotes, control characters and emoji too: sorting the header must not change its length."""
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_weights(path, {key: torch.tensor([1.5, -0.0])}, metadata)
    assert read_metadata(path) == metadata
    assert load_weights(path)[key].tolist() == [1.5, -0.0]


def test_no_tensors_and_empty_tensors_come_back(tmp_path: Path) -> None:
    save_weights(tmp_path / "none", {}, {})
    assert dict(load_weights(tmp_path / "none")) == {}
    save_weights(tmp_path / "empty", {"a": torch.ones(0, 3), "b": torch.ones(0, 3)})
    assert load_weights(tmp_path / "empty")["b"].shape == (0, 3)


def test_tensors_that_share_memory_are_written_once_per_name(tmp_path: Path) -> None:
    tied = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    tied["b"].weight = tied["a"].weight
    whole = torch.arange(6.0)
    weights = tied.state_dict() | {"front": whole[:4], "back": whole[2:], "same": whole.view(2, 3)}
    save_weights(tmp_path / "w", weights)
    read = load_weights(tmp_path / "w")
    assert list(read) == sorted(weights)
    for key, tensor in weights.items():
        assert torch.equal(read[key], tensor), key


@given(length=st.integers(0, 500))
def test_a_file_cut_short_anywhere_is_named(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_weights(path, {"w": torch.ones(200)}, {"architecture": "mini"})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(RemergeError, match="not a whole safetensors file") as caught:
        load_weights(path)
    assert str(path) in str(caught.value)


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RemergeError, match="cannot be read") as caught:
        load_weights(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_asking_for_a_key_reads_no_tensor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_weights(tmp_path / "w", {"b": torch.ones(2), "a": torch.ones(3)})
    weights = load_weights(tmp_path / "w")

    def read(key: str) -> Tensor:
        raise AssertionError(f"{key} was read")

    with monkeypatch.context() as patch:
        patch.setattr(type(weights), "__getitem__", lambda self, key: read(key))
        assert "a" in weights
        assert "c" not in weights
        assert list(weights) == ["a", "b"]
        assert len(weights) == 2
    with pytest.raises(KeyError):
        weights["c"]


def test_files_are_compared_like_state_dicts(tmp_path: Path) -> None:
    save_weights(tmp_path / "start", {"a": torch.ones(2), "b": torch.ones(2)})
    save_weights(tmp_path / "tuned", {"a": torch.ones(3), "c": torch.ones(2)})
    start, tuned = load_weights(tmp_path / "start"), load_weights(tmp_path / "tuned")
    check_compatible(start, [start, start])
    with pytest.raises(MismatchError) as caught:
        check_compatible(start, [start, tuned])
    for part in ("fine-tuned 2: 'b' is missing", "'c' is not in", "'a' has shape [3]"):
        assert part in str(caught.value)


def test_weights_are_moved_to_a_device_when_they_are_read() -> None:
    weights = {"a": torch.ones(2), "b": torch.zeros(3, dtype=torch.float64)}
    moved = OnDevice(weights, "meta")
    assert list(moved) == list(weights)
    assert [(tensor.device.type, tensor.shape, tensor.dtype) for tensor in moved.values()] == [
        ("meta", tensor.shape, tensor.dtype) for tensor in weights.values()
    ]
    assert OnDevice(weights, "cpu")["a"] is weights["a"]
