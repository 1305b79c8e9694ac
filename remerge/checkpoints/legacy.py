"""The Task Arithmetic authors' checkpoints of 2022: whole modules, pickled, whose classes no longer exist."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from remerge.checkpoints.pickles import Inert, PickleRefusedError, TensorRecord, state_of
from remerge.checkpoints.torch_files import read_torch_file
from remerge.errors import RemergeError

VISUAL = "model.visual."
# Limits on nesting and on the number of tensors: far beyond any encoder, but they stop modules that contain themselves.
DEEPEST = 50
MOST = 20_000


def read_module_state(path: str | Path) -> dict[str, Tensor]:
    """Return the state dict of a pickled module, or of a pickled mapping of names to tensors.

    Nothing in the file is executed (:mod:`remerge.checkpoints.pickles`).

    Raises:
        PickleRefusedError: The file tries to execute something, describes tensors beyond their storage, or is
            truncated.
        RemergeError: It contains neither a module nor a mapping of tensors.
    """
    content = read_torch_file(path)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    records = _in_module(content) if isinstance(content, Inert) else _in_mapping(content)
    state: dict[str, Tensor] = {}
    for name, record in records:
        if len(state) == MOST:
            raise PickleRefusedError(f"{path}: holds more than {MOST} tensors")
        state[name] = _built(record, f"{path}: {name}")
    if not state:
        raise RemergeError(f"{path}: holds a {type(content).__name__} without tensors, no module")
    return state


def _in_mapping(content: Any) -> Iterator[tuple[str, TensorRecord]]:
    if isinstance(content, Mapping):
        yield from ((str(name), record) for name, record in content.items() if isinstance(record, TensorRecord))


def _in_module(module: Inert, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, TensorRecord]]:
    if depth > DEEPEST:
        raise PickleRefusedError(f"modules lie more than {DEEPEST} deep in one another")
    passing = state_of(module).get("_non_persistent_buffers_set") or ()
    for kind in ("_parameters", "_buffers"):
        for name, record in _entries(module, kind):
            if isinstance(record, TensorRecord) and name not in passing:
                yield f"{prefix}{name}", record
    for name, child in _entries(module, "_modules"):
        if isinstance(child, Inert):
            yield from _in_module(child, f"{prefix}{name}.", depth + 1)


def _entries(module: Inert, kind: str) -> Iterable[tuple[Any, Any]]:
    entries = state_of(module).get(kind)
    return entries.items() if isinstance(entries, Mapping) else ()


def _built(record: TensorRecord, name: str) -> Tensor:
    """A copy of the tensor that a record describes, if it fits its storage."""
    entries = 1
    last = record.offset
    for size, stride in zip(record.size, record.stride, strict=True):
        entries *= size
        last += (size - 1) * stride
    if entries == 0:
        return torch.empty(record.size, dtype=record.storage.dtype)
    if entries > record.storage.numel or last >= record.storage.numel:
        raise PickleRefusedError(f"{name} claims entries beyond its storage of {record.storage.numel}")
    whole = record.storage.numel * record.storage.dtype.itemsize
    flat = torch.frombuffer(bytearray(record.storage.content[:whole]), dtype=record.storage.dtype)
    return flat.as_strided(record.size, record.stride, record.offset).clone(memory_format=torch.contiguous_format)


def image_encoder_weights(path: str | Path) -> tuple[dict[str, Tensor], int]:
    """Return the image encoder in a checkpoint, with open_clip's names, and the number of its other parameters.

    Args:
        path: A pickled ``ImageEncoder`` of the authors, or a module that contains one.

    Returns:
        Float32 weights, and the number of other floating-point parameters: the remains of the text tower, which the
        authors' TIES counts when trimming.

    Raises:
        RemergeError: It contains no image encoder; the message says what it does contain.
    """
    state = read_module_state(path)
    prefixes = {name[: name.index(VISUAL) + len(VISUAL)] for name in state if VISUAL in f".{name}"}
    if len(prefixes) != 1:
        raise RemergeError(f"{path}: has no image encoder under {VISUAL!r}; there are: {', '.join(list(state)[:10])}")
    (prefix,) = prefixes
    encoder = {name.removeprefix(prefix): tensor.float() for name, tensor in state.items() if name.startswith(prefix)}
    encoder_prefix = prefix.removesuffix("visual.")
    beside = sum(
        tensor.numel()
        for name, tensor in state.items()
        # The causal mask, minus infinity above its diagonal, is a constant.
        if name.startswith(encoder_prefix)
        and not name.startswith(prefix)
        and tensor.is_floating_point()
        and "attn_mask" not in name
    )
    return encoder, beside
