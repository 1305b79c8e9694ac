"""Pickled modules of 2022: their tensors come out equal, whatever the container, and nothing in them is executed."""

import io
import os
import pickle
import struct
import sys
import tarfile
import types
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from remerge.checkpoints.legacy import image_encoder_weights, read_module_state
from remerge.errors import RemergeError


class Tower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 2, bias=False)
        self.ln_post = nn.LayerNorm(4)
        self.proj = nn.Parameter(torch.randn(4, 5))
        self.positional_embedding = nn.Parameter(torch.randn(6, 4).half())


class Clip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.visual = Tower()
        self.token_embedding = nn.Embedding(7, 3)
        self.logit_scale = nn.Parameter(torch.tensor(2.5))
        self.register_buffer("attn_mask", torch.full((4, 4), float("-inf")).triu(1), persistent=False)
        self.register_buffer("steps", torch.tensor(3))


class ImageEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.model = Clip()
        self.cache_dir = "/somewhere"


CLASSES = {Tower: "open_clip.model", Clip: "open_clip.model", ImageEncoder: "src.modeling"}


def pickled_plainly(model: nn.Module, path: Path) -> None:
    path.write_bytes(pickle.dumps(model, protocol=2))


CONTAINERS: dict[str, Callable[[nn.Module, Path], None]] = {
    "zip": lambda model, path: torch.save(model, path),
    "stream": lambda model, path: torch.save(model, path, _use_new_zipfile_serialization=False),
    "plain": pickled_plainly,
}


@pytest.fixture(scope="module")
def model() -> Iterator[ImageEncoder]:
    """A model whose classes exist under their old names only while it is pickled."""
    torch.manual_seed(0)
    made = ImageEncoder()
    with torch.no_grad():
        made.model.visual.conv1.weight.copy_(torch.randn(3, 4, 2, 2).transpose(0, 1))
    yield made


@pytest.fixture(scope="module", params=CONTAINERS)
def checkpoint(request: pytest.FixtureRequest, model: ImageEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("legacy") / f"{request.param}.pt"
    homes: dict[str, Any] = {}
    for kind, module in CLASSES.items():
        for depth in range(len(module.split("."))):
            name = ".".join(module.split(".")[: depth + 1])
            homes.setdefault(name, sys.modules.get(name))
            sys.modules[name] = types.ModuleType(name)
        kind.__module__ = module
    for kind, module in CLASSES.items():
        setattr(sys.modules[module], kind.__name__, kind)
    try:
        CONTAINERS[request.param](model, path)
    finally:
        for name, was in homes.items():
            sys.modules.pop(name)
            if was is not None:
                sys.modules[name] = was
        for kind in CLASSES:
            kind.__module__ = __name__
    return path


def test_the_state_comes_out_equal(checkpoint: Path, model: ImageEncoder) -> None:
    state = read_module_state(checkpoint)
    expected = model.state_dict()
    assert state.keys() == expected.keys()
    for name, tensor in expected.items():
        assert state[name].dtype == tensor.dtype
        assert torch.equal(state[name], tensor), name


def test_the_image_encoder_is_taken_out_and_the_rest_counted(checkpoint: Path, model: ImageEncoder) -> None:
    encoder, beside = image_encoder_weights(checkpoint)
    expected = model.model.visual.state_dict()
    assert encoder.keys() == expected.keys()
    assert all(torch.equal(encoder[name], tensor.float()) for name, tensor in expected.items())
    assert {tensor.dtype for tensor in encoder.values()} == {torch.float32}
    assert beside == 7 * 3 + 1


def test_no_class_of_the_checkpoint_is_imported(checkpoint: Path) -> None:
    before = set(sys.modules)
    read_module_state(checkpoint)
    assert not {name for name in set(sys.modules) - before if name.startswith(("src", "open_clip"))}


def test_a_mapping_of_tensors_is_read_too(tmp_path: Path) -> None:
    shared = torch.arange(24.0).reshape(4, 6)
    state = OrderedDict(model=shared[1:3, ::2], other=shared.T, scalar=torch.tensor(7), flag=torch.tensor([True]))
    for name, content in (("plain", state), ("nested", {"state_dict": state, "epoch": 3})):
        torch.save(content, tmp_path / name)
        read = read_module_state(tmp_path / name)
        assert all(torch.equal(read[key], tensor) for key, tensor in state.items())
    with pytest.raises(RemergeError, match=r"has no image encoder under 'model\.visual\.'; there are: model, other"):
        image_encoder_weights(tmp_path / "plain")


def test_tar_archives_of_the_first_torch_are_read(tmp_path: Path) -> None:
    parts = {
        "sys_info": pickle.dumps({"little_endian": True}, 2),
        "storages": pickle.dumps(1, 2)
        + b"\x80\x02(K\x05X\x03\0\0\0cpuctorch\nFloatStorage\nt."
        + struct.pack("<q6f", 6, *range(6))
        + pickle.dumps([], 2),
        "tensors": pickle.dumps(1, 2)
        + b"\x80\x02(K\x09K\x05ctorch\nFloatTensor\nt.".replace(b"FloatTensor", b"FloatStorage")
        + struct.pack("<i4x2q2qq", 2, 2, 2, 3, 1, 1),
        # {"weight": persistent id 9}
        "pickle": b"\x80\x02}X\x06\0\0\0weightX\x01\0\0\x009Qs.",
    }
    with tarfile.open(tmp_path / "old.pt", "w") as archive:
        for name, content in parts.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    assert read_module_state(tmp_path / "old.pt")["weight"].tolist() == [[1, 2], [4, 5]]


class Attack:
    """An object whose pickle calls something."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call = (call, arguments)

    def __reduce__(self) -> Any:
        return self.call


def global_call(module: str, name: str, argument: str) -> bytes:
    """A pickle that calls a name with a text."""
    return f"c{module}\n{name}\n(V{argument}\ntR.".encode()


def sentinel(tmp_path: Path) -> str:
    return f"touch {tmp_path / 'ran'}"


@pytest.mark.parametrize("container", ["plain", "zip", "stream", "inside a storage"])
def test_what_a_pickle_would_run_is_refused_by_name(tmp_path: Path, container: str) -> None:
    attack = Attack(os.system, sentinel(tmp_path))
    path = tmp_path / "evil.pt"
    if container == "plain":
        path.write_bytes(pickle.dumps({"model": attack}))
    elif container == "inside a storage":
        inner = io.BytesIO()
        torch.save(attack, inner, _use_new_zipfile_serialization=False)
        path.write_bytes(pickle.dumps(Attack(torch.storage._load_from_bytes, inner.getvalue())))
    else:
        torch.save({"model": attack}, path, _use_new_zipfile_serialization=container == "zip")
    with pytest.raises(RemergeError, match=r"evil\.pt: asks for '(posix|nt)\.system'.*nothing of it was executed"):
        read_module_state(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("builtins", "getattr"),
        ("builtins", "__import__"),
        ("__builtin__", "eval"),
        ("subprocess", "Popen"),
        ("os", "system"),
        ("runpy", "run_path"),
        ("importlib", "import_module"),
        ("operator", "attrgetter"),
        ("pickle", "loads"),
        ("torch", "load"),
        ("torch.hub", "load"),
        ("torch.serialization", "load"),
        ("torch.jit", "load"),
        ("torch._utils", "_rebuild_device_tensor_from_numpy"),
        ("srcs.modeling", "ImageEncoder"),
        ("srcx", "y"),
    ],
)
def test_names_beyond_the_few_are_refused(tmp_path: Path, module: str, name: str) -> None:
    path = tmp_path / "evil.pt"
    path.write_bytes(global_call(module, name, "1"))
    with pytest.raises(RemergeError, match=f"asks for '{module}.{name}'"):
        read_module_state(path)


def test_names_of_real_classes_stay_inert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.Linear, "__init__", lambda *a, **k: pytest.fail("the class was called"))
    monkeypatch.setattr(nn.Module, "__setstate__", lambda *a: pytest.fail("the state was set"))
    path = tmp_path / "linear.pt"
    path.write_bytes(b"\x80\x02ctorch.nn.modules.linear\nLinear\n)\x81}X\x01\0\0\0aK\x01sb.")
    with pytest.raises(RemergeError, match="without tensors"):
        read_module_state(path)
    # A dotted name must not reach through an allowed package to something else.
    path.write_bytes(b"\x80\x04\x8c\x08torch.nn\x8c\x12modules.os.system_x\x93\x8c\x01x\x85R.")
    with pytest.raises(RemergeError):
        read_module_state(path)


def test_extension_codes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.pt"
    path.write_bytes(b"\x80\x02\x82\x01.")
    with pytest.raises(RemergeError, match="opcode EXT1"):
        read_module_state(path)


def test_stand_ins_cannot_be_tampered_with(tmp_path: Path) -> None:
    path = tmp_path / "evil.pt"
    # Sets an attribute of the function that rebuilds tensors, by way of the state of objects with slots.
    path.write_bytes(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x08\0\0\0functionK\x01s\x86b.")
    with pytest.raises(RemergeError):
        read_module_state(path)


def tensors_pickle(numel: int, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> dict[str, Tensor]:
    return {"w": torch.zeros(numel).as_strided(size, stride, offset)}


def test_tensors_beyond_their_storage_are_refused(tmp_path: Path) -> None:
    torch.save({"w": torch.arange(4.0)}, tmp_path / "good.pt", _use_new_zipfile_serialization=False)
    content = (tmp_path / "good.pt").read_bytes()
    # The size, the only tuple of one 4.
    assert content.count(b"K\x04\x85") == 1
    for claimed in (b"K\x05\x85", b"K\xff\x85"):
        (tmp_path / "bad.pt").write_bytes(content.replace(b"K\x04\x85", claimed))
        with pytest.raises(RemergeError, match=r"w claims entries beyond its storage of 4"):
            read_module_state(tmp_path / "bad.pt")
    torch.save({"w": torch.zeros(1).expand(10**12)}, tmp_path / "expanded.pt")
    with pytest.raises(RemergeError, match="beyond its storage of 1"):
        read_module_state(tmp_path / "expanded.pt")


def test_zip_bombs_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
        archive.writestr("archive/data/0", bytes(10**8))
    with pytest.raises(RemergeError, match=r"claims 100,000,\d+ bytes of content in a file of"):
        read_module_state(path)


def test_a_module_within_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "loop.pt"
    # An ImageEncoder whose _modules holds itself.
    path.write_bytes(b"\x80\x02csrc.modeling\nImageEncoder\n)\x81q\0}X\x08\0\0\0_modules}X\x01\0\0\0ah\0ssb.")
    with pytest.raises(RemergeError, match="50 deep"):
        read_module_state(path)


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_broken_files_are_refused_in_words(checkpoint: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = checkpoint.read_bytes()
    broken = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3))):
        if broken:
            broken[data.draw(st.integers(0, len(broken) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "broken.pt"
    path.write_bytes(broken)
    try:
        read_module_state(path)
    except RemergeError as error:
        assert "broken.pt" in str(error)
