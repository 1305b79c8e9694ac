"""Unlabeled images for adaptation: batches of them, and their features."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from remerge.clip.encoders import to_input
from remerge.images.store import ImageSet

# Images per forward pass; features do not depend on it.
AT_ONCE = 256


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
        chosen = drawn(list(map(len, image_sets)), batch_size=batch_size, seed=seed, step=step)
        return [to_input(torch.from_numpy(own.images[rows])) for own, rows in zip(image_sets, chosen, strict=True)]

    return batches


def drawn(sizes: Sequence[int], *, batch_size: int, seed: int, step: int) -> list[npt.NDArray[np.int64]]:
    """Return the images of each set, by number and in order, that a step's batches have.

    Args:
        sizes: Number of images in each set.
        batch_size: Images per set; smaller sets are used whole.
        seed: Seed of the sampling, together with the step.
        step: The step.
    """
    generator = np.random.Generator(np.random.PCG64([seed, step]))
    return [np.sort(generator.choice(size, min(batch_size, size), replace=False)) for size in sizes]


@torch.inference_mode()
def features_of(encoder: nn.Module, image_set: ImageSet, chosen: npt.NDArray[np.int64], device: str) -> Tensor:
    """Return the features of some images, by number, ``[n, d]``.

    Args:
        encoder: On ``device``.
        image_set: The images.
        chosen: Numbers of at least one of them.
        device: Where to compute.
    """
    parts = (image_set.images[chosen[begin : begin + AT_ONCE]] for begin in range(0, len(chosen), AT_ONCE))
    return torch.cat([encoder(to_input(torch.from_numpy(part).to(device))) for part in parts])
