"""Checkpoints split into several files, as is common for larger models: read as one, written in the same parts."""

import copy
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from remerge.checkpoints.headers import write_header
from remerge.checkpoints.weights import LazyWeights, load_weights
from remerge.errors import RemergeError
from remerge.run.atomic import PARTIAL, atomic_path
from remerge.run.provenance import MERGE_RECORD

INDEX = "*.safetensors.index.json"


class CheckpointSet(Mapping[str, Tensor]):
    """The tensors of all parts of a checkpoint, each read on access; the files are memory-mapped."""

    def __init__(self, path: str | Path) -> None:
        """Open a checkpoint.

        Args:
            path: A safetensors file, or a folder with one, or with several and a ``*.safetensors.index.json``.

        Raises:
            RemergeError: There is no checkpoint, or a part or a tensor that the index lists is missing.
        """
        self.path = Path(path)
        index_file = _index_file(self.path)
        self.index = _index(index_file)
        names = sorted(set(self.index["weight_map"].values())) if self.index else [_only_file(self.path)]
        folder = self.path if self.path.is_dir() else self.path.parent
        self.parts: dict[str, LazyWeights] = {name: load_weights(folder / name) for name in names}
        self.files = [*(folder / name for name in names), *([index_file] if index_file else [])]
        self._part = {key: part for part in self.parts.values() for key in part}
        if self.index and (wrong := sorted(set(self.index["weight_map"]) ^ set(self._part))):
            raise RemergeError(f"{self.path}: index and files differ in {', '.join(wrong[:10])}")

    def __getitem__(self, key: str) -> Tensor:
        return self._part[key][key]

    def __contains__(self, key: object) -> bool:
        return key in self._part

    def __iter__(self) -> Iterator[str]:
        return iter(self._part)

    def __len__(self) -> int:
        return len(self._part)


def files_in(folder: Path) -> list[str]:
    """Return the names of a folder's safetensors files and indices, without those that were never finished."""
    found = [*folder.glob("*.safetensors"), *folder.glob(INDEX)]
    return sorted(path.name for path in found if not path.name.startswith(PARTIAL))


def _index_file(path: Path) -> Path | None:
    found = [name for name in files_in(path) if name.endswith(INDEX[1:])] if path.is_dir() else []
    if len(found) > 1:
        raise RemergeError(f"{path}: has several indices: {', '.join(found)}")
    return path / found[0] if found else None


def _index(path: Path | None) -> dict[str, dict[str, str]]:
    if path is None:
        return {}
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        names = set(index["weight_map"].values())
    except (ValueError, KeyError, AttributeError) as error:
        raise RemergeError(f"{path}: no index of safetensors files ({error})") from error
    if outside := sorted(name for name in names if Path(name).name != name):
        raise RemergeError(f"{path}: names {outside[0]!r}, which lies outside its folder")
    return index


def _only_file(path: Path) -> str:
    if path.is_file():
        return path.name
    found = [name for name in files_in(path) if name.endswith(".safetensors")] if path.is_dir() else []
    if len(found) != 1:
        raise RemergeError(
            f"{path}: expected a safetensors file, or a folder with one or with an index; found {len(found)} files"
        )
    return found[0]


class CheckpointWriter:
    """Files with the same names, tensors and shapes as another checkpoint, written in place.

    They appear under their names only if the block ends without an error. What tells that a folder holds a whole
    checkpoint, the record of a merge and an index, is removed before the first file is replaced and written after the
    last. Files are memory-mapped while they are written, so that the whole checkpoint is never in memory.
    """

    def __init__(self, like: CheckpointSet, folder: str | Path, dtype: torch.dtype | None = None) -> None:
        """Prepare to write.

        Args:
            like: The other checkpoint.
            folder: Where to write.
            dtype: Of the floating-point tensors; None for that of each tensor of the other checkpoint.
        """
        self.like = like
        self.folder = Path(folder)
        self.dtype = dtype
        self.tensors: dict[str, Tensor] = {}
        self._stack = ExitStack()
        self._maps: list[np.memmap] = []

    def __enter__(self) -> "CheckpointWriter":
        """Allocate space for all files.

        Raises:
            OSError: The disk is full.
        """
        with ExitStack() as stack:
            for name, part in self.like.parts.items():
                path = stack.enter_context(atomic_path(self.folder / name))
                dtypes = {key: self._dtype(part[key]) for key in part}
                begin, places = write_header(path, {key: (dtypes[key], part[key].shape) for key in part}, part.metadata)
                mapped = np.memmap(path, np.uint8, mode="r+")
                self._maps.append(mapped)
                whole = torch.from_numpy(mapped)
                for key, (offset, length) in places.items():
                    entries = whole[begin + offset : begin + offset + length]
                    self.tensors[key] = entries.view(dtypes[key]).reshape(part[key].shape)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *failure: object) -> bool | None:
        """Flush the files and move them to their final names, or remove them if the block failed."""
        size = sum(tensor.nbytes for tensor in self.tensors.values())
        self.tensors.clear()
        for mapped in self._maps:
            mapped.flush()
        self._maps.clear()
        if failure[0] is None:
            for name in (MERGE_RECORD, *(name for name in files_in(self.folder) if name.endswith(INDEX[1:]))):
                (self.folder / name).unlink(missing_ok=True)
        suppressed = self._stack.__exit__(*failure)  # type: ignore[arg-type]
        if failure[0] is None and self.like.index:
            index: dict[str, Any] = copy.deepcopy(self.like.index)
            if self.dtype and "total_size" in (index.get("metadata") or {}):
                index["metadata"]["total_size"] = size
            with atomic_path(self.folder / self.like.files[-1].name) as path:
                path.write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
        return suppressed

    def _dtype(self, tensor: Tensor) -> torch.dtype:
        return self.dtype if self.dtype and tensor.is_floating_point() else tensor.dtype
