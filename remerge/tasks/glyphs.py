"""Characters drawn as grey masks, with varying font, size, position and tilt."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from remerge.tasks.alphabets import Alphabet

SIZE = 32


@lru_cache(maxsize=512)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), size)


def draw_glyphs(
    alphabet: Alphabet,
    labels: Sequence[int] | npt.NDArray[np.int64],
    generator: np.random.Generator,
    tilt: float = 0.0,
) -> npt.NDArray[np.float32]:
    """Draw one glyph per label.

    Args:
        alphabet: Characters and the fonts to choose from.
        labels: Indices into the alphabet's characters, ``[n]``.
        generator: Random generator for font, size (20-26 px), shift (up to 2 px) and tilt (up to 10 degrees).
        tilt: Mean tilt in degrees, counterclockwise.

    Returns:
        float32 ``[n, 32, 32]`` in [0, 1]; 1 is ink.
    """
    masks = np.empty((len(labels), SIZE, SIZE), np.float32)
    for index, label in enumerate(labels):
        font = _font(alphabet.fonts[generator.integers(len(alphabet.fonts))], int(generator.integers(20, 27)))
        canvas = Image.new("L", (SIZE, SIZE))
        centre = SIZE / 2 + generator.uniform(-2, 2, size=2)
        # Centre the ink rather than the line of text; otherwise symbols of unusual height would leave the image.
        left, top, right, bottom = font.getbbox(alphabet.characters[label])
        corner = (centre[0] - (left + right) / 2, centre[1] - (top + bottom) / 2)
        ImageDraw.Draw(canvas).text(corner, alphabet.characters[label], fill=255, font=font)
        tilted = canvas.rotate(tilt + generator.uniform(-10, 10), resample=Image.Resampling.BILINEAR)
        masks[index] = np.asarray(tilted, np.float32) / 255
    return masks
