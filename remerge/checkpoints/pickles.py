"""Reading pickles without running anything in them.

A pickle is a program that names callables and calls them. Here, every name maps to one of a few stand-ins that only
record their arguments, or to an inert class for the modules in old checkpoints. Any other name is refused, with an
error that says which, before anything is imported.
"""

import io
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from remerge.errors import RemergeError

# Packages whose classes have instances in the checkpoints. Nothing is ever imported from them.
INERT_PACKAGES = ("src", "open_clip", "clip", "torch.nn", "torchvision.transforms", "argparse")

STORAGES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class PickleRefusedError(RemergeError):
    """A pickle uses a name that is not allowed, or is truncated or broken."""


class Inert:
    """An instance of a class that was not imported; it only keeps its arguments and state."""

    def __new__(cls, *arguments: Any, **named: Any) -> "Inert":
        """Keep the arguments."""
        made = super().__new__(cls)
        made.__dict__.update(arguments=arguments, state={})
        return made

    def __init__(self, *arguments: Any, **named: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        # The state of an object with slots is a pair: its dictionary and its slots.
        parts = state if isinstance(state, tuple) else (state,)
        for part in parts:
            if isinstance(part, dict):
                self.__dict__["state"] = {**self.__dict__["state"], **part}


@dataclass(frozen=True)
class Storage:
    """Memory shared by tensors."""

    dtype: torch.dtype
    content: bytes

    @property
    def numel(self) -> int:
        """Number of entries."""
        return len(self.content) // self.dtype.itemsize


@dataclass(frozen=True)
class TensorRecord:
    """A tensor as described by the pickle, not yet checked or built."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Call:
    """The stand-in for a name that a pickle may call; slots protect it from being modified."""

    function: Callable[..., Any]

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)


def tensor_record(storage: Any, offset: Any, size: Any, stride: Any, *ignored: Any) -> TensorRecord:
    """Check and return a tensor's description.

    Raises:
        PickleRefusedError: It has no storage, or something is negative or not a number.
    """
    numbers = [offset, *size, *stride]
    if not isinstance(storage, Storage) or not all(isinstance(n, int) and n >= 0 for n in numbers):
        raise PickleRefusedError("describes a tensor that makes no sense")
    return TensorRecord(storage, offset, tuple(size), tuple(stride))


def _encode(text: Any, encoding: Any) -> bytes:
    """Bytes as old protocols write them."""
    if encoding != "latin1" or not isinstance(text, str):
        raise PickleRefusedError(f"asks for the encoding {encoding!r}")
    return text.encode("latin1")


def _reconstruct(kind: Any, base: Any, state: Any) -> Any:
    """Objects as old protocols write them."""
    if not (isinstance(kind, type) and issubclass(kind, Inert)):
        raise PickleRefusedError("asks to reconstruct something that is no module")
    return kind()


def _builders(load_storage: Callable[[bytes], Storage]) -> dict[str, Any]:
    calls: dict[str, Callable[..., Any]] = {
        "torch._utils._rebuild_tensor": tensor_record,
        "torch._utils._rebuild_tensor_v2": tensor_record,
        "torch._utils._rebuild_parameter": lambda tensor, *ignored: tensor,
        "torch.storage._load_from_bytes": load_storage,
        "torch.Size": lambda sizes=(): tuple(sizes),
        "torch.device": lambda *ignored: None,
        "_codecs.encode": _encode,
        "copyreg._reconstructor": _reconstruct,
        "copy_reg._reconstructor": _reconstruct,
    }
    plain = {
        "collections.OrderedDict": OrderedDict,
        "builtins.set": set,
        "__builtin__.set": set,
        "builtins.frozenset": frozenset,
        "__builtin__.frozenset": frozenset,
        "builtins.object": object,
        "__builtin__.object": object,
    }
    dtypes = {str(dtype): dtype for dtype in STORAGES.values()}
    storages = {f"torch.{name}": dtype for name, dtype in STORAGES.items()}
    storages |= {f"torch.storage.{name}": dtype for name, dtype in STORAGES.items()}
    return {name: _Call(function) for name, function in calls.items()} | plain | dtypes | storages


class _Reader(pickle.Unpickler):
    """An unpickler that only returns stand-ins and inert classes."""

    def __init__(
        self, file: io.BytesIO, load_storage: Callable[[bytes], Storage], persistent: Callable[[Any], Any]
    ) -> None:
        super().__init__(file, encoding="latin1")
        self._known = _builders(load_storage)
        self._persistent = persistent

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full in self._known:
            return self._known[full]
        if any(full.startswith(f"{package}.") for package in INERT_PACKAGES):
            self._known[full] = type(name.rpartition(".")[2], (Inert,), {"__module__": f"inert.{module}"})
            return self._known[full]
        raise PickleRefusedError(f"asks for {full!r}, which no checkpoint needs; nothing of it was executed")

    def persistent_load(self, identifier: Any) -> Any:
        return self._persistent(identifier)


def _refuse_persistent(identifier: Any) -> Any:
    raise PickleRefusedError("refers to something outside itself")


def _refuse_storage(content: bytes) -> Storage:
    raise PickleRefusedError("holds a storage inside a storage")


def read_pickle(
    file: io.BytesIO,
    *,
    load_storage: Callable[[bytes], Storage] = _refuse_storage,
    persistent: Callable[[Any], Any] = _refuse_persistent,
) -> Any:
    """Read one pickle from the file's current position, and leave the position after it.

    Args:
        file: The pickle, possibly followed by more data.
        load_storage: Builds a storage that the pickle contains as bytes.
        persistent: Resolves a reference to something outside the pickle.

    Returns:
        Plain containers and numbers, :class:`Inert` instances and :class:`TensorRecord` s.

    Raises:
        PickleRefusedError: It uses any other name, or is truncated or broken.
    """
    begin = file.tell()
    try:
        # Scan it once without executing it; otherwise lengths that point beyond the end would be trusted.
        for opcode, _, _ in pickletools.genops(file):
            if opcode.name.startswith("EXT"):
                raise PickleRefusedError(f"uses the opcode {opcode.name}, which no checkpoint needs")
        end = file.tell()
        file.seek(begin)
        found = _Reader(io.BytesIO(file.read(end - begin)), load_storage, persistent).load()
        file.seek(end)
        return found
    except PickleRefusedError:
        raise
    # A broken pickle can make the unpickler raise almost any exception.
    except Exception as error:
        raise PickleRefusedError(f"is cut short or no whole pickle ({type(error).__name__}: {error})") from error


def state_of(module: Any) -> Mapping[str, Any]:
    """Return the attributes of an inert instance; empty for anything else."""
    return module.__dict__["state"] if isinstance(module, Inert) else {}
