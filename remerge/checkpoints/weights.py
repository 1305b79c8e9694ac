"""Checkpoints: names mapped to tensors, read lazily from safetensors files, and whether they can be merged."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from remerge.checkpoints.headers import open_file, sort_metadata
from remerge.errors import MismatchError, RemergeError
from remerge.run.atomic import atomic_path

Weights = Mapping[str, Tensor]
"""Names mapped to tensors: a state dict, or a file's content read tensor by tensor."""

FAULTS_SHOWN = 10


class LazyWeights(Mapping[str, Tensor]):
    """The tensors of a safetensors file, each read when asked for; the file is memory-mapped."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = open_file(path, "pt")
        self._keys = dict.fromkeys(sorted(self._file.keys()))

    def __getitem__(self, key: str) -> Tensor:
        if key not in self._keys:
            raise KeyError(key)
        return self._file.get_tensor(key)

    def __contains__(self, key: object) -> bool:
        # Mapping's own would read the tensor to find out.
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def metadata(self) -> dict[str, str]:
        """The header's free text fields."""
        return self._file.metadata() or {}


def load_weights(path: str | Path) -> LazyWeights:
    """Open a safetensors file.

    Raises:
        RemergeError: There is no such file, or it cannot be read, is cut short or no safetensors file.
    """
    return LazyWeights(path)


def save_weights(path: str | Path, weights: Weights, metadata: Mapping[str, str] | None = None) -> None:
    """Write weights to a safetensors file; equal weights and metadata give equal bytes.

    Tensors that share memory, as tied weights do, are written once per name.

    Raises:
        RemergeError: A tensor holds NaN or infinity; nothing has been written.
    """
    check_finite(path, weights, "nothing has been written; look for such entries in what it is made from")
    tensors: dict[str, Tensor] = {}
    written: set[int] = set()
    for key in sorted(weights):
        tensor = weights[key].detach().cpu().contiguous()
        # safetensors refuses shared memory.
        address = tensor.untyped_storage().data_ptr()
        tensors[key] = tensor.clone() if address in written else tensor
        written.add(address)
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, dict(metadata) if metadata else None)
        sort_metadata(temporary)


def check_finite(path: str | Path, weights: Weights, remedy: str) -> None:
    """Refuse weights that hold NaN or infinity, which make plausible numbers of nothing.

    Args:
        path: The file that they are in or were to be written to, for the message.
        weights: Tensors of any dtype; those of integers pass.
        remedy: What to do about it, for the message.

    Raises:
        RemergeError: Some do; the message names the file, the first tensor and how many of its entries.
    """
    for key in weights:
        tensor = weights[key]
        # A sum tells in one number whether any entry is not finite; that it may overflow costs a second look.
        if not tensor.is_floating_point() or tensor.sum(dtype=computing_dtype(tensor.dtype)).isfinite():
            continue
        if count := int((~tensor.isfinite()).sum()):
            raise RemergeError(f"{path}: {key!r} has {count} entries that are NaN or infinite; {remedy}")


def check_compatible(pretrained: Weights, finetuned: Sequence[Weights]) -> None:
    """Refuse checkpoints that cannot be merged.

    Raises:
        MismatchError: There is no fine-tuned checkpoint, or keys, shapes or dtypes differ from the
            pre-trained one's; the message names every checkpoint and key at fault, up to ten.
    """
    if not finetuned:
        raise MismatchError("no fine-tuned checkpoint was given: merging needs at least one")
    faults: list[str] = []
    for number, weights in enumerate(finetuned, start=1):
        faults += [f"fine-tuned {number}: {key!r} is missing" for key in pretrained if key not in weights]
        faults += [
            f"fine-tuned {number}: {key!r} is not in the pre-trained" for key in weights if key not in pretrained
        ]
        for key in pretrained:
            if key not in weights:
                continue
            ours, theirs = pretrained[key], weights[key]
            if ours.shape != theirs.shape:
                faults.append(
                    f"fine-tuned {number}: {key!r} has shape {list(theirs.shape)}, the pre-trained {list(ours.shape)}"
                )
            elif ours.dtype != theirs.dtype:
                faults.append(f"fine-tuned {number}: {key!r} is {theirs.dtype}, the pre-trained {ours.dtype}")
    if faults:
        shown = faults[:FAULTS_SHOWN]
        if len(faults) > FAULTS_SHOWN:
            shown.append(f"... and {len(faults) - FAULTS_SHOWN} more")
        raise MismatchError("checkpoints differ and cannot be merged:\n  " + "\n  ".join(shown))


def computing_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype weights of ``dtype`` are merged in: float64 in itself, every shorter float in float32."""
    return torch.float64 if dtype == torch.float64 else torch.float32
