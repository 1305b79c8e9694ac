"""The handwritten digits that ship with scikit-learn (UCI ML, 1,797 images of 8x8 pixels): real images."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from remerge.tasks.glyphs import SIZE

MARGIN = 3
"""The drawings fill their 8x8 pixels; the printed glyphs of pre-training leave this many pixels free."""


def handwritten_digits(order: np.random.Generator) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return all images, uint8 ``[n, 32, 32, 3]``, resized bicubically inside a black margin, and labels, shuffled."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    # Otherwise, identical drawings could end up in different splits.
    _, first = np.unique(pixels, axis=0, return_index=True)
    chosen = order.permutation(np.sort(first))
    images = np.zeros((len(chosen), SIZE, SIZE, 3), np.uint8)
    for index, image in enumerate(pixels[chosen].reshape(-1, 8, 8)):
        grey = Image.fromarray(np.uint8(image * (255 / 16)))
        resized = grey.resize((SIZE - 2 * MARGIN, SIZE - 2 * MARGIN), Image.Resampling.BICUBIC)
        images[index, MARGIN:-MARGIN, MARGIN:-MARGIN] = np.asarray(resized)[..., None]
    return images, labels[chosen].astype(np.int64)
