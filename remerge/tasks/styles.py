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


def embossed(masks: Array, generator: np.random.Generator) -> Array:
    """Raised strokes of the paper's colour, lit from one side."""
    n = len(masks)
    soft = ndimage.gaussian_filter(masks, (0, 0.8, 0.8))
    relief = np.roll(soft, 1, axis=(1, 2)) - np.roll(soft, -1, axis=(1, 2))
    page = _uniform(generator, 0.35, 0.65, n, 1, 1, 3)
    lit = _uniform(generator, 0.35, 0.5, n, 1, 1) * relief
    return page + lit[..., None] + _noise(generator, 0.03, n, 32, 32, 1)


def shadowed(masks: Array, generator: np.random.Generator) -> Array:
    """Light strokes that cast a dark shadow on paper of medium brightness."""
    n = len(masks)
    shadow = np.roll(ndimage.gaussian_filter(masks, (0, 0.7, 0.7)), (3, 3), axis=(1, 2))
    page = _blend(0.55 * shadow, np.zeros((n, 1, 1, 3), np.float32), _uniform(generator, 0.45, 0.7, n, 1, 1, 3))
    return _blend(masks, _uniform(generator, 0.75, 1, n, 1, 1, 3), page)


def pixelated(masks: Array, generator: np.random.Generator) -> Array:
    """Print in large pixels, each slightly off in colour."""
    n = len(masks)
    coarse = masks.reshape(n, 16, 2, 16, 2).mean(axis=(2, 4))
    printed = plain(coarse.repeat(2, axis=1).repeat(2, axis=2), generator)
    return printed + _noise(generator, 0.12, n, 16, 16, 3).repeat(2, axis=1).repeat(2, axis=2)


def ruled(masks: Array, generator: np.random.Generator) -> Array:
    """Blue or black ink on lined paper, whose lines run over the letters."""
    n = len(masks)
    ink = _uniform(generator, 0, 0.35, n, 1, 1, 3)
    page = _blend(masks, ink, _uniform(generator, 0.85, 1, n, 1, 1, 3))
    lines = (np.arange(32)[None] + generator.integers(0, 5, n)[:, None]) % 5 == 0
    return page * np.where(lines, np.float32(0.35), np.float32(1))[:, :, None, None]


def scratched(masks: Array, generator: np.random.Generator) -> Array:
    """Strokes behind scratches as light as the paper."""
    n = len(masks)
    rows, columns = np.mgrid[:32, :32]
    kept = np.ones((n, 32, 32), bool)
    for _ in range(5):
        angle, offset = generator.uniform(0, np.pi, (n, 1, 1)), generator.uniform(-14, 14, (n, 1, 1))
        kept &= np.abs((rows - 16) * np.cos(angle) + (columns - 16) * np.sin(angle) - offset) > 0.8
    return plain(masks * kept, generator)


def halftone(masks: Array, generator: np.random.Generator) -> Array:
    """Strokes of dots on a grid, as in newspapers."""
    n = len(masks)
    rows, columns = np.mgrid[:32, :32].astype(np.float32)
    phase = _uniform(generator, 0, 2 * np.pi, 2, n, 1, 1)
    screen = np.cos(rows * 2.1 + phase[0]) * np.cos(columns * 2.1 + phase[1])
    tone = ndimage.gaussian_filter(masks, (0, 0.7, 0.7)) * 0.75 + 0.12
    dots = np.clip((tone - 0.5 + 0.5 * screen) * 3 + 0.5, 0, 1)
    return _blend(dots, _uniform(generator, 0, 0.3, n, 1, 1, 3), _uniform(generator, 0.75, 1, n, 1, 1, 3))


def faded(masks: Array, generator: np.random.Generator) -> Array:
    """Ink that fades towards one side of stained paper."""
    n = len(masks)
    angle = generator.uniform(0, 2 * np.pi, (n, 1, 1))
    rows, columns = np.mgrid[-1:1:32j, -1:1:32j]
    fade = np.clip(0.65 + 0.35 * (rows * np.cos(angle) + columns * np.sin(angle)), 0.15, 1).astype(np.float32)
    stains = ndimage.gaussian_filter(_noise(generator, 1, n, 32, 32), (0, 3, 3))
    page = np.array([0.86, 0.8, 0.68], np.float32) + stains[..., None] * 0.6
    return _blend(masks * fade, _uniform(generator, 0, 0.35, n, 1, 1, 3), page)


def speckled(masks: Array, generator: np.random.Generator) -> Array:
    """Print in which a seventh of the pixels is black or white."""
    printed, chance = plain(masks, generator), generator.random((len(masks), 32, 32, 1))
    return np.where(chance < 0.07, np.float32(0), np.where(chance > 0.93, np.float32(1), printed))


def stencilled(masks: Array, generator: np.random.Generator) -> Array:
    """Sprayed through a stencil, with bridges across the strokes and spray around them."""
    n = len(masks)
    bridges = (np.arange(32)[None] + generator.integers(0, 8, n)[:, None]) % 8 < 2
    strokes = masks * ~bridges[:, None, :]
    spray = (ndimage.gaussian_filter(strokes, (0, 2, 2)) * 1.5 > generator.random((n, 32, 32))) * np.float32(0.5)
    ink = _uniform(generator, 0, 0.4, n, 1, 1, 3)
    return _blend(np.maximum(strokes, spray), ink, _uniform(generator, 0.65, 0.95, n, 1, 1, 3))


def doubled(masks: Array, generator: np.random.Generator) -> Array:
    """Exposed twice, with the paler copy shifted."""
    shift = generator.choice([-4, 4], (2, len(masks)))
    copies = np.stack([np.roll(mask, tuple(by), axis=(0, 1)) for mask, by in zip(masks, shift.T, strict=True)])
    return plain(np.maximum(masks, 0.55 * copies), generator)


def hatched(masks: Array, generator: np.random.Generator) -> Array:
    """Strokes filled with slanted lines, which the paper has in the other direction."""
    n = len(masks)
    rows, columns = np.mgrid[:32, :32]
    phase = generator.integers(0, 4, (2, n))[:, :, None, None]
    along = ((rows + columns + phase[0]) % 4 < 2).astype(np.float32)
    across = ((rows - columns + phase[1]) % 4 < 1).astype(np.float32)
    tone = masks * (0.35 + 0.65 * along) + (1 - masks) * 0.3 * across
    return _blend(tone, _uniform(generator, 0, 0.35, n, 1, 1, 3), _uniform(generator, 0.7, 1, n, 1, 1, 3))


def waved(masks: Array, generator: np.random.Generator) -> Array:
    """Print on a flag in the wind."""
    rows, columns = np.mgrid[:32, :32].astype(np.float32)
    warped = np.empty_like(masks)
    for index, (mask, phase) in enumerate(zip(masks, generator.uniform(0, 2 * np.pi, len(masks)), strict=True)):
        wave = 1.8 * np.sin(columns * 0.55 + phase)
        warped[index] = ndimage.map_coordinates(mask, [rows + wave, columns], order=1)
    return plain(warped, generator)


_ALL = (
    *(plain, chalk, blurred, noisy, photograph, outlined, coloured, striped),
    *(embossed, shadowed, pixelated, ruled, scratched, halftone, faded, speckled, stencilled, doubled, hatched, waved),
)
STYLES: dict[str, Style] = {style.__name__: style for style in _ALL}
