"""Checkpoints as mappings of names to tensors, read lazily from safetensors files, and checks before merging."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from remerge.checkpoints.headers import open_file, sort_metadata
from remerge.errors import MismatchError, RemergeError
from remerge.run.atomic import atomic_path

Weights = Mapping[str, Tensor]
"""A mapping of names to tensors: a state dict, or the content of a file, read tensor by tensor."""

FAULTS_SHOWN = 10


class LazyWeights(Mapping[str, Tensor]):
    """The tensors of a safetensors file, each read on access; the file is memory-mapped."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = open_file(path, "pt")
        self._keys = dict.fromkeys(sorted(self._file.keys()))

    def __getitem__(self, key: str) -> Tensor:
        if key not in self._keys:
            raise KeyError(key)
        return self._file.get_tensor(key)

    def __contains__(self, key: object) -> bool:
        # The method of Mapping would read the tensor to find out.
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def metadata(self) -> dict[str, str]:
        """The header's free text fields."""
        return self._file.metadata() or {}


class OnDevice(Mapping[str, Tensor]):
    """Weights whose tensors are moved to a device on access."""

    def __init__(self, weights: Weights, device: str) -> None:
        self.weights = weights
        self.device = device

    def __getitem__(self, key: str) -> Tensor:
        return self.weights[key].to(self.device)

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)


def load_weights(path: str | Path) -> LazyWeights:
    """Open a safetensors file.

    Raises:
        RemergeError: The file does not exist, cannot be read, is truncated or is not a safetensors file.
    """
    return LazyWeights(path)


def save_weights(path: str | Path, weights: Weights, metadata: Mapping[str, str] | None = None) -> None:
    """Write weights to a safetensors file; equal weights and metadata give equal bytes.

    Tensors that share memory, such as tied weights, are written once per name.

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
    """Refuse weights with NaN or infinity, which would lead to meaningless scores that look plausible.

    Args:
        path: The file that they are in or would be written to, for the message.
        weights: Tensors of any dtype; integer tensors are not checked.
        remedy: What to do about it, for the message.

    Raises:
        RemergeError: Some weights are not finite; the message names the file and the first such tensor, and says how
            many of its entries are not finite.
    """
    for key in weights:
        tensor = weights[key]
        # If the sum is finite, so are all entries. If it is not, it may have overflowed, so check the entries.
        if not tensor.is_floating_point() or tensor.sum(dtype=computing_dtype(tensor.dtype)).isfinite():
            continue
        if count := int((~tensor.isfinite()).sum()):
            raise RemergeError(f"{path}: {key!r} has {count} entries that are NaN or infinite; {remedy}")


def check_compatible(pretrained: Weights, finetuned: Sequence[Weights]) -> None:
    """Refuse checkpoints that cannot be merged.

    Raises:
        MismatchError: There is no fine-tuned checkpoint, or keys, shapes or dtypes differ from those of the pre-trained
            one; the message names every checkpoint and key at fault, up to ten.
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
    """The dtype in which weights of ``dtype`` are merged: float64 for float64, float32 for shorter floats."""
    return torch.float64 if dtype == torch.float64 else torch.float32
