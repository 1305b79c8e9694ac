"""Headers of safetensors files: read without torch, deterministic, and written ahead of the tensors."""

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from remerge.errors import RemergeError

if TYPE_CHECKING:
    import torch

SEPARATOR = "+"
"""Separator of the names of merged tasks, in headers and in score files."""

DTYPES = {
    "torch.float64": "F64",
    "torch.float32": "F32",
    "torch.float16": "F16",
    "torch.bfloat16": "BF16",
    "torch.int64": "I64",
    "torch.int32": "I32",
    "torch.int16": "I16",
    "torch.int8": "I8",
    "torch.uint8": "U8",
    "torch.bool": "BOOL",
}


def split_tasks(merged: str) -> list[str]:
    """Return the tasks in the field or column ``merged``, such as ``a+b``."""
    return merged.split(SEPARATOR)


def architecture_fields(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a header that describe the architecture."""
    return {key: metadata[key] for key in ("architecture", "activation") if key in metadata}


def merged_of(path: str | Path) -> dict[str, str]:
    """Return the field ``merged``, the tasks if some were skipped, from the header of a task vector or an encoder."""
    return {key: value for key, value in read_metadata(path).items() if key == "merged"}


def open_file(path: str | Path, framework: str) -> safe_open:
    """Open a safetensors file, memory-mapped.

    Args:
        path: The file.
        framework: Type of the tensors read from it, ``pt`` or ``np``.

    Raises:
        RemergeError: The file does not exist, cannot be read, is truncated or is not a safetensors file.
    """
    try:
        return safe_open(path, framework=framework)
    except FileNotFoundError as error:
        raise RemergeError(f"{path}: no such file") from error
    except SafetensorError as error:
        raise RemergeError(
            f"{path}: not a whole safetensors file ({error}); delete it to have it made again"
        ) from error
    except OSError as error:
        raise RemergeError(f"{path}: cannot be read as a file ({error})") from error


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return the free text fields of a safetensors file's header, such as ``architecture``.

    Raises:
        RemergeError: See :func:`open_file`.
    """
    return open_file(path, "np").metadata() or {}


def read_shapes(path: str | Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of a safetensors file, by key, from its header.

    Raises:
        RemergeError: See :func:`open_file`.
    """
    file = open_file(path, "np")
    return {key: tuple(file.get_slice(key).get_shape()) for key in sorted(file.keys())}


def sort_metadata(path: Path) -> None:
    """Sort the free text fields of a file's header in place; safetensors orders them differently in every process."""
    with path.open("r+b") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        if "__metadata__" in header:
            header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        # As compact as safetensors writes it, so that it fits the same bytes; the rest is padded with blanks.
        file.seek(8)
        file.write(json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode().ljust(size))


def write_header(
    path: Path, tensors: Mapping[str, tuple["torch.dtype", "torch.Size"]], metadata: Mapping[str, str]
) -> tuple[int, dict[str, tuple[int, int]]]:
    """Write a header and allocate space for the tensors after it.

    Args:
        path: The file; any previous content is lost.
        tensors: Dtype and shape of each tensor.
        metadata: Free text fields.

    Returns:
        The position in the file where tensors start, and each tensor's offset from there and length, in bytes.

    Raises:
        RemergeError: A dtype cannot be written.
        OSError: The disk is full.
    """
    if unknown := sorted({str(dtype) for dtype, _ in tensors.values() if str(dtype) not in DTYPES}):
        raise RemergeError(f"{path}: cannot write tensors of {', '.join(unknown)}")
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    places = {}
    offset = 0
    # The widest first, so that every tensor is aligned to its entries.
    for key, (dtype, shape) in sorted(tensors.items(), key=lambda item: (-item[1][0].itemsize, item[0])):
        length = shape.numel() * dtype.itemsize
        header[key] = {"dtype": DTYPES[str(dtype)], "shape": list(shape), "data_offsets": [offset, offset + length]}
        places[key] = (offset, length)
        offset += length
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.flush()
        if offset and hasattr(os, "posix_fallocate"):
            # A disk that fills up under a memory-mapped file kills the process; allocating now raises instead.
            os.posix_fallocate(file.fileno(), 8 + len(text), offset)
        else:
            file.truncate(8 + len(text) + offset)
    return 8 + len(text), places
