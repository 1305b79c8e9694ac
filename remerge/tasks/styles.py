"""Visual styles: each rendered task shows its glyphs in one style; pre-training uses the plain one.

A style maps ink masks, float32 ``[n, 32, 32]`` in [0, 1], to RGB images, float32 ``[n, 32, 32, 3]`` in [0, 1].
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

Array = npt.NDArray[np.float32]
Style = Callable[[Array, np.random.Generator], Array]


def _uniform(generator: np.random.Generator, low: float, high: float, *shape: int) -> Array:
    return generator.uniform(low, high, shape).astype(np.float32)


def _noise(generator: np.random.Generator, scale: float, *shape: int) -> Array:
    return generator.normal(0, scale, shape).astype(np.float32)


def _blend(masks: Array, ink: Array, paper: Array) -> Array:
    return masks[..., None] * ink + (1 - masks[..., None]) * paper


def plain(masks: Array, generator: np.random.Generator) -> Array:
    """Dark print on light paper or light on dark, tinted, with varying sharpness and grain."""
    n = len(masks)
    softness = _uniform(generator, 0, 0.7, n, 1, 1)
    masks = (1 - softness) * masks + softness * ndimage.gaussian_filter(masks, (0, 1, 1))
    dark = _uniform(generator, 0.0, 0.4, n, 1, 1, 3)
    light = _uniform(generator, 0.6, 1.0, n, 1, 1, 3)
    swap = generator.random((n, 1, 1, 1)) < 0.5
    printed = _blend(masks, np.where(swap, light, dark), np.where(swap, dark, light))
    return printed + _uniform(generator, 0, 0.08, n, 1, 1, 1) * _noise(generator, 1, n, 32, 32, 3)


def chalk(masks: Array, generator: np.random.Generator) -> Array:
    """Broken pale strokes on a smeared dark board."""
    n = len(masks)
    grain = _uniform(generator, 0, 1, n, 32, 32)
    strokes = ndimage.gaussian_filter(masks, (0, 0.6, 0.6)) * (grain > 0.2)
    smear = ndimage.gaussian_filter(_noise(generator, 1, n, 32, 32), (0, 1, 5)) * 0.5
    board = np.array([0.13, 0.25, 0.2], np.float32) + smear[..., None] * 0.6
    return _blend(strokes, _uniform(generator, 0.7, 1, n, 1, 1, 3), board)


def blurred(masks: Array, generator: np.random.Generator) -> Array:
    """Faint print out of focus on yellowed paper."""
    n = len(masks)
    soft = ndimage.gaussian_filter(masks, (0, 1.5, 1.5)) * 1.2
    paper = np.array([0.93, 0.87, 0.7], np.float32) - _uniform(generator, 0, 0.15, n, 1, 1, 1)
    ink = paper - _uniform(generator, 0.3, 0.55, n, 1, 1, 1)
    return _blend(np.clip(soft, 0, 1), ink, paper) + _noise(generator, 0.04, n, 32, 32, 1)


def noisy(masks: Array, generator: np.random.Generator) -> Array:
    """Print under strong sensor noise, independent for each channel."""
    n = len(masks)
    ink = _uniform(generator, 0.1, 0.35, n, 1, 1, 1)
    paper = _uniform(generator, 0.6, 0.85, n, 1, 1, 1)
    return _blend(masks, ink, paper) + _noise(generator, 0.2, n, 32, 32, 3)


@cache
def _photographs() -> tuple[Array, ...]:
    import matplotlib
    from sklearn.datasets import load_sample_image

    hopper = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")
    pictures = [
        load_sample_image("china.jpg"),
        load_sample_image("flower.jpg"),
        np.asarray(Image.open(hopper)),
    ]
    return tuple((picture[::3, ::3, :3] / 255).astype(np.float32) for picture in pictures)


def photograph(masks: Array, generator: np.random.Generator) -> Array:
    """Letters over crops of real photographs, lighter or darker than the background."""
    photographs = _photographs()
    crops = np.empty((*masks.shape, 3), np.float32)
    for index in range(len(masks)):
        picture = photographs[generator.integers(len(photographs))]
        top, left = (int(generator.integers(0, side - 32)) for side in picture.shape[:2])
        crops[index] = picture[top : top + 32, left : left + 32]
    behind = crops.mean(axis=(1, 2, 3), keepdims=True)
    ink = (behind < 0.5).astype(np.float32)
    faded = np.float32(0.3) + np.float32(0.4) * crops
    return _blend(masks, ink, faded)


def outlined(masks: Array, generator: np.random.Generator) -> Array:
    """Only the contours, in colour, on squared paper."""
    n = len(masks)
    contours = np.clip(ndimage.morphological_gradient(masks, size=(1, 3, 3)), 0, 1)
    contours = contours - 0.7 * np.clip(ndimage.grey_erosion(masks, size=(1, 3, 3)), 0, 1)
    page = np.ones((n, 32, 32, 3), np.float32) * _uniform(generator, 0.85, 1, n, 1, 1, 3)
    phase = generator.integers(0, 4, n)[:, None]
    rows, columns = (np.arange(32) + phase) % 4 == 0, (np.arange(32) + phase) % 4 == 2
    page[np.broadcast_to(rows[:, :, None], (n, 32, 32))] *= 0.4
    page[np.broadcast_to(columns[:, None, :], (n, 32, 32))] *= 0.6
    return _blend(np.clip(contours, 0, 1), _uniform(generator, 0, 0.5, n, 1, 1, 3), page)


def coloured(masks: Array, generator: np.random.Generator) -> Array:
    """Ink and paper of opposite hues and slightly different brightness, under a gradient of light."""
    n = len(masks)
    ink = _uniform(generator, 0, 1, n, 1, 1, 3)
    paper = 1 - ink
    brightness = generator.choice([-0.09, 0.09], (n, 1, 1, 1)).astype(np.float32)
    ink = ink - ink.mean(-1, keepdims=True) + 0.5 + brightness
    paper = paper - paper.mean(-1, keepdims=True) + 0.5 - brightness
    ramp = np.linspace(-1, 1, 32, dtype=np.float32)[None, None, :, None]
    return _blend(masks, ink, paper) + _uniform(generator, -0.3, 0.3, n, 1, 1, 1) * ramp


def striped(masks: Array, generator: np.random.Generator) -> Array:
    """Seen through a fence of slanted bars."""
    n = len(masks)
    rows, columns = np.mgrid[:32, :32]
    slant = generator.choice([-1, 1], n)[:, None, None]
    phase = generator.integers(0, 8, n)[:, None, None]
    bars = (rows + slant * columns + phase) % 8 < 3
    picture = plain(masks, generator)
    fence = _uniform(generator, 0.2, 0.8, n, 1, 1, 3)
    return np.where(bars[..., None], fence, picture)


STYLES: dict[str, Style] = {
    style.__name__: style for style in (plain, chalk, blurred, noisy, photograph, outlined, coloured, striped)
}
