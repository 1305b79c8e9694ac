"""Unlabeled batches for test-time adaptation."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from remerge.clip.encoders import to_input
from remerge.images.store import ImageSet


def adaptation_batches(image_sets: Sequence[ImageSet], *, batch_size: int, seed: int) -> Callable[[int], list[Tensor]]:
    """Return a function that maps a step to one batch of images per task; labels are never read.

    As in AdaMerging's script, each step samples from the whole set, without replacement within the batch.

    Args:
        image_sets: One per task.
        batch_size: Images per task and step; smaller sets are used whole.
        seed: Seed of the sampling, together with the step, so that a step's images do not depend on earlier steps.

    Returns:
        A function that returns float32 ``[batch_size, 3, height, width]`` per task.
    """

    def batches(step: int) -> list[Tensor]:
        generator = np.random.Generator(np.random.PCG64([seed, step]))
        drawn = []
        for image_set in image_sets:
            chosen = generator.choice(len(image_set), min(batch_size, len(image_set)), replace=False)
            drawn.append(to_input(torch.from_numpy(image_set.images[np.sort(chosen)])))
        return drawn

    return batches
