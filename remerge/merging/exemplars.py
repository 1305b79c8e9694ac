"""What methods look at that merge with images of all tasks at hand: a few images of each, and an encoder to run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from remerge.checkpoints.weights import Weights
from remerge.clip.encoders import to_input
from remerge.images.store import ImageSet


@dataclass(frozen=True)
class Exemplars:
    """Images of every merged task, and what to run on them.

    Attributes:
        encoder: An encoder of the right architecture, on ``device``; its weights are overwritten.
        pretrained: The pre-trained weights.
        heads: By task, float32 ``[d, classes]``, on ``device``.
        images: By task; none is empty.
        accuracy: Returns the percentage of validation images that the pre-trained weights plus a task vector classify
            correctly, averaged over tasks; only methods that look at labels call it.
        device: Where to run.
    """

    encoder: nn.Module
    pretrained: Weights
    heads: Mapping[str, Tensor]
    images: Mapping[str, ImageSet]
    accuracy: Callable[[Weights], float]
    device: str = "cpu"

    def inputs(self, task: str) -> Tensor:
        """Return a task's images, float32 ``[n, 3, height, width]``, on the device."""
        return to_input(torch.from_numpy(self.images[task].images).to(self.device))

    def labels(self, task: str) -> Tensor:
        """Return the classes of a task's images, int64 ``[n]``, on the device."""
        return torch.from_numpy(self.images[task].labels).to(self.device)


def sampled(image_set: ImageSet, at_most: int, seed: int) -> ImageSet:
    """Return some images of a set, sampled with a seed and in their order."""
    count = min(at_most, len(image_set))
    rows = np.sort(np.random.default_rng(seed).choice(len(image_set), count, replace=False))
    return replace(image_set, images=image_set.images[rows], labels=image_set.labels[rows])
