"""The handwritten digits that scikit-learn carries (UCI ML, 1,797 images of 8x8 pixels): real images."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from remerge.tasks.glyphs import SIZE


def handwritten_digits(order: np.random.Generator) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return all images, uint8 ``[n, 32, 32, 3]`` after bicubic resizing, and labels, in a random order."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    # Equal drawings would otherwise be free to fall into two splits.
    _, first = np.unique(pixels, axis=0, return_index=True)
    chosen = order.permutation(np.sort(first))
    images = np.empty((len(chosen), SIZE, SIZE, 3), np.uint8)
    for index, image in enumerate(pixels[chosen].reshape(-1, 8, 8)):
        grey = Image.fromarray(np.uint8(image * (255 / 16)))
        images[index] = np.asarray(grey.resize((SIZE, SIZE), Image.Resampling.BICUBIC))[..., None]
    return images, labels[chosen].astype(np.int64)
