"""Masked results: the pre-trained weights plus one task vector under each task's mask, a bit for every entry."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from remerge.checkpoints.weights import Weights
from remerge.merging.merged import Rebuilt
from remerge.merging.task_vectors import apply_task_vector

VECTOR = "task_vector."
MASK = "mask."
SCALE = "scale"


class Masked(Rebuilt):
    """The pre-trained weights plus the shared task vector under the task's mask, times the task's scale."""

    def weights_for(self, task: str) -> dict[str, Tensor]:
        """Return the weights for a task."""
        part = self.part(task)
        pretrained = {key: self._shared[key] for key in self._shared if not key.startswith(VECTOR)}
        keys = [key for key in pretrained if MASK + key in part]
        vectors = ((key, self._shared[VECTOR + key]) for key in keys)
        masked = {key: vector * unpacked(part[MASK + key], vector.shape) for key, vector in vectors}
        return apply_task_vector(pretrained, masked, float(part[SCALE]))


def shared_weights(pretrained: Weights, vector: Weights) -> dict[str, Tensor]:
    """Return the content of the shared file: pre-trained weights and the task vector that masks select from."""
    return {**pretrained} | {VECTOR + key: tensor for key, tensor in vector.items()}


def part_weights(masks: Mapping[str, Tensor], scale: float) -> dict[str, Tensor]:
    """Return the content of a task's part.

    Args:
        masks: By the task vector's keys, boolean, of the tensor's shape; a tensor without a mask stays pre-trained.
        scale: Factor of the masked task vector.
    """
    return {MASK + key: packed(mask) for key, mask in masks.items()} | {SCALE: torch.tensor(scale, dtype=torch.float64)}


def packed(mask: Tensor) -> Tensor:
    """Return a boolean tensor of n entries as ``ceil(n / 8)`` bytes, uint8, the first entry in the highest bit."""
    return torch.from_numpy(np.packbits(mask.numpy()))


def unpacked(bits: Tensor, shape: torch.Size) -> Tensor:
    """Return the boolean tensor of a shape that :func:`packed` made these bytes from."""
    return torch.from_numpy(np.unpackbits(bits.numpy(), count=shape.numel())).view(shape).bool()
