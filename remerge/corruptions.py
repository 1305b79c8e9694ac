"""The seven corruptions of AdaMerging's robustness table, with the constants of CIFAR-10-C at severities 1 to 5.

The papers' images were made with FusionBench's script, whose constants are those for images of 32 x 32 pixels,
whatever the image's size. Its pixelation shrinks every image to a square of less than 32 pixels and blows that up to
32: at 224 pixels almost nothing is left, which is why accuracies under it are so low. That is reproduced here.

Two deviate from the script in how, not in how much: motion blur is a convolution with a one-sided Gaussian line here
and ImageMagick's there; spatter's drops have edges from a blurred mask here and from OpenCV's edge detector there.
"""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

Pixels = npt.NDArray[np.uint8]
Chance = np.random.Generator

CONSTANTS: dict[str, tuple[Any, ...]] = {
    "motion_blur": ((6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5)),
    "impulse_noise": (0.01, 0.02, 0.03, 0.05, 0.07),
    "gaussian_noise": (0.04, 0.06, 0.08, 0.09, 0.10),
    "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),
    "spatter": (
        (0.62, 0.1, 0.7, 0.7, 0.5),
        (0.65, 0.1, 0.8, 0.7, 0.5),
        (0.65, 0.3, 1.0, 0.69, 0.5),
        (0.65, 0.1, 0.7, 0.69, 0.6),
        (0.65, 0.1, 0.5, 0.68, 0.6),
    ),
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),
    "jpeg": (80, 65, 58, 50, 40),
}
PIXELATED = 32
WATER = np.array([175, 238, 238]) / 255


def corrupt(image: Pixels, corruption: str, severity: int, chance: Chance) -> Pixels:
    """Corrupt an image.

    Args:
        image: uint8 ``[height, width, 3]``; it is not modified.
        corruption: Key of :data:`CONSTANTS`.
        severity: 1 to 5.
        chance: Where noise, angles and drops come from.

    Returns:
        uint8 ``[height, width, 3]``.
    """
    return CORRUPTIONS[corruption](image, CONSTANTS[corruption][severity - 1], chance)


def corrupt_all(images: Pixels, corruption: str, severity: int, seed: int) -> Pixels:
    """Corrupt images ``[n, height, width, 3]``, each with a chance of its own, so that its neighbours do not matter."""
    kind = list(CONSTANTS).index(corruption)
    return np.stack(
        [
            corrupt(image, corruption, severity, np.random.default_rng([seed, kind, severity, index]))
            for index, image in enumerate(images)
        ]
    )


def _to_pixels(image: npt.NDArray[Any]) -> Pixels:
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)


def _motion_blur(image: Pixels, constants: tuple[int, float], chance: Chance) -> Pixels:
    radius, sigma = constants
    angle = np.deg2rad(chance.uniform(-45, 45))
    kernel = np.zeros((2 * radius + 1, 2 * radius + 1))
    for step in range(radius + 1):
        row, column = radius - round(step * np.sin(angle)), radius + round(step * np.cos(angle))
        kernel[row, column] += np.exp(-(step**2) / (2 * sigma**2))
    blurred = ndimage.convolve(image / 255, kernel[:, :, None] / kernel.sum(), mode="nearest")
    return _to_pixels(blurred)


def _impulse_noise(image: Pixels, share: float, chance: Chance) -> Pixels:
    noisy = image.copy()
    drawn = chance.random(image.shape)
    noisy[drawn < share / 2] = 0
    noisy[drawn > 1 - share / 2] = 255
    return noisy


def _gaussian_noise(image: Pixels, deviation: float, chance: Chance) -> Pixels:
    return _to_pixels(image / 255 + chance.normal(scale=deviation, size=image.shape))


def _pixelate(image: Pixels, share: float, chance: Chance) -> Pixels:
    height, width = image.shape[:2]
    small = Image.fromarray(image).resize((int(PIXELATED * share),) * 2, Image.Resampling.BOX)
    square = small.resize((PIXELATED,) * 2, Image.Resampling.BOX)
    return np.asarray(square.resize((width, height), Image.Resampling.BICUBIC))


def _spatter(image: Pixels, constants: tuple[float, ...], chance: Chance) -> Pixels:
    mean, deviation, sigma, threshold, opacity = constants
    liquid = ndimage.gaussian_filter(chance.normal(mean, deviation, image.shape[:2]), sigma)
    drops = ndimage.gaussian_filter((liquid > threshold).astype(float), 0.5)
    cover = (opacity * drops)[:, :, None]
    return _to_pixels(image / 255 * (1 - cover) + WATER * cover)


def _contrast(image: Pixels, share: float, chance: Chance) -> Pixels:
    mean = (image / 255).mean(axis=(0, 1), keepdims=True)
    return _to_pixels((image / 255 - mean) * share + mean)


def _jpeg(image: Pixels, quality: int, chance: Chance) -> Pixels:
    encoded = io.BytesIO()
    Image.fromarray(image).save(encoded, "jpeg", quality=quality)
    return np.asarray(Image.open(encoded))


CORRUPTIONS: dict[str, Callable[[Pixels, Any, Chance], Pixels]] = {
    "motion_blur": _motion_blur,
    "impulse_noise": _impulse_noise,
    "gaussian_noise": _gaussian_noise,
    "pixelate": _pixelate,
    "spatter": _spatter,
    "contrast": _contrast,
    "jpeg": _jpeg,
}
