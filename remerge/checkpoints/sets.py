"""Checkpoints split into several files, as is common for larger models: read as one, written in the same parts."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from remerge.checkpoints.headers import write_header
from remerge.checkpoints.weights import LazyWeights, load_weights
from remerge.errors import RemergeError
from remerge.run.atomic import atomic_path

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
        self.index = _index(self.path)
        names = sorted(set(self.index["weight_map"].values())) if self.index else [_only_file(self.path)]
        folder = self.path if self.path.is_dir() else self.path.parent
        self.parts: dict[str, LazyWeights] = {name: load_weights(folder / name) for name in names}
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


def _index(path: Path) -> dict[str, dict[str, str]]:
    found = sorted(path.glob(INDEX)) if path.is_dir() else []
    if len(found) > 1:
        raise RemergeError(f"{path}: has several indices: {', '.join(each.name for each in found)}")
    if not found:
        return {}
    try:
        index = json.loads(found[0].read_text(encoding="utf-8"))
        names = set(index["weight_map"].values())
    except (ValueError, KeyError, AttributeError) as error:
        raise RemergeError(f"{found[0]}: no index of safetensors files ({error})") from error
    if outside := sorted(name for name in names if Path(name).name != name):
        raise RemergeError(f"{found[0]}: names {outside[0]!r}, which lies outside its folder")
    return index


def _only_file(path: Path) -> str:
    if path.is_file():
        return path.name
    found = sorted(path.glob("*.safetensors")) if path.is_dir() else []
    if len(found) != 1:
        raise RemergeError(
            f"{path}: expected a safetensors file, or a folder with one or with an index; found {len(found)} files"
        )
    return found[0].name


class CheckpointWriter:
    """Files with the same names, tensors, shapes and dtypes as another checkpoint, written in place.

    They appear under their names only if the block ends without an error. They are memory-mapped while they are
    written, so that the whole checkpoint is never in memory.
    """

    def __init__(self, like: CheckpointSet, folder: str | Path) -> None:
        self.like = like
        self.folder = Path(folder)
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
                begin, places = write_header(
                    path, {key: (part[key].dtype, part[key].shape) for key in part}, part.metadata
                )
                mapped = np.memmap(path, np.uint8, mode="r+")
                self._maps.append(mapped)
                whole = torch.from_numpy(mapped)
                for key, (offset, length) in places.items():
                    entries = whole[begin + offset : begin + offset + length]
                    self.tensors[key] = entries.view(part[key].dtype).reshape(part[key].shape)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *failure: object) -> bool | None:
        """Flush the files and move them to their final names."""
        self.tensors.clear()
        for mapped in self._maps:
            mapped.flush()
        self._maps.clear()
        suppressed = self._stack.__exit__(*failure)  # type: ignore[arg-type]
        if failure[0] is None and self.like.index:
            with atomic_path(self.folder / next(self.like.path.glob(INDEX)).name) as path:
                path.write_text(json.dumps(self.like.index, indent=2) + "\n", encoding="utf-8")
        return suppressed
