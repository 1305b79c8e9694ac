"""Which training images the Task Arithmetic authors hold out for validation."""

import numpy as np
import numpy.typing as npt

SHARE = 0.1
AT_MOST = 5000


def membership(split: str, n: int, test_images: int | None = None) -> npt.NDArray[np.bool_]:
    """Return which of the ``n`` images of the training or test part belong to a split.

    Args:
        split: ``train``, ``validation`` or ``test``.
        n: Number of images in the part.
        test_images: Number of test images to sample, if not all. A larger sample includes every smaller one.
    """
    if split == "test":
        # Files are often sorted by class, so the first images may all be of one class.
        drawn = np.zeros(n, bool)
        # A generator whose stream is frozen across versions of NumPy.
        drawn[np.random.RandomState(0).permutation(n)[:test_images]] = True
        return drawn
    validation = np.zeros(n, bool)
    validation[held_out(n)] = True
    return validation if split == "validation" else ~validation


def held_out(n: int) -> npt.NDArray[np.int64]:
    """Return the indices of the validation images among ``n`` training images, ascending.

    The authors sample a tenth, at most 5,000, with seed 0 by ``torch.utils.data.random_split`` (task_vectors,
    ``datasets/registry.py``), which takes the last entries of ``torch.randperm``. The permutation is reproduced here
    number by number, so that preparing images does not need torch.
    """
    generator = np.random.MT19937()
    generator._legacy_seeding(0)
    order = np.arange(n)
    for place, word in enumerate(generator.random_raw(max(0, n - 1)).tolist()):
        other = place + word % (n - place)
        order[place], order[other] = order[other], order[place]
    return np.sort(order[n - min(AT_MOST, int(SHARE * n)) :])
