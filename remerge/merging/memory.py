"""Memory, or a file instead, for a task vector that is about to be computed."""

import mmap
import os
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from remerge.checkpoints.weights import Weights


def empty_like(vector: Weights) -> dict[str, Tensor]:
    """Return uninitialised tensors with a task vector's shapes and dtypes."""
    return {key: torch.empty_like(tensor, memory_format=torch.contiguous_format) for key, tensor in vector.items()}


def empty_on_disk(vector: Weights, folder: str | Path) -> dict[str, Tensor]:
    """Return zeroed tensors with a task vector's shapes and dtypes, memory-mapped to one unnamed file.

    The system can write their pages to disk when it needs memory, and removes the file with the last tensor.

    Raises:
        OSError: The disk is full.
    """
    # Offsets are multiples of the widest entry, so that every tensor is aligned.
    sizes = {key: -(-tensor.nbytes // 8) * 8 for key, tensor in vector.items()}
    total = max(8, sum(sizes.values()))
    Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):
            # A disk that fills up under the mapping kills the process; allocating now raises instead.
            os.posix_fallocate(file.fileno(), 0, total)
        else:
            file.truncate(total)
        mapped = mmap.mmap(file.fileno(), total)
    tensors, begin = {}, 0
    for key, tensor in vector.items():
        count = tensor.numel()
        flat = torch.frombuffer(mapped, dtype=tensor.dtype, count=count, offset=begin) if count else tensor.new_empty(0)
        tensors[key] = flat.view(tensor.shape)
        begin += sizes[key]
    return tensors
