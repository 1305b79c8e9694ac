"""The deterministic part of CLIP's preprocessing, done once: decode, resize, crop, and only then convert to RGB."""

import io
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import chain, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from remerge.errors import RemergeError
from remerge.images.store import Description, pixel_hash, write_hashes, write_images
from remerge.run.progress import ProgressBar
from remerge.run.resume import KeptImages

# Pillow warns of large images and refuses those twice as large; SUN397 has large ones that every reference run reads.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

# Enough that threads never wait for the writer, and few enough to keep memory flat.
IMAGES_AHEAD_PER_THREAD = 16

Pixels = npt.NDArray[np.uint8]
Change = Callable[[int, Pixels], Pixels]
"""A change to the original image, uint8 ``[height, width, 3]``, before resizing, given its index in the split."""


def open_image(encoded: Path | bytes | Image.Image) -> Image.Image:
    """Decode an image: upright, 8 bits per channel, opaque; grey stays grey.

    Args:
        encoded: A file, its content, or a decoded image.

    Raises:
        ValueError: It has 32 bits per pixel.
        PIL.Image.DecompressionBombError: It has more than twice as many pixels as ``PIL.Image.MAX_IMAGE_PIXELS``.
    """
    if isinstance(encoded, Image.Image):
        return _plain(ImageOps.exif_transpose(encoded))
    with Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded) as opened:
        return _plain(ImageOps.exif_transpose(opened))


def _plain(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow's conversion clips at 255, which turns most of such an image white.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"32 bits per pixel (Pillow's mode {image.mode}); save it with 8 bits per channel")
    if image.mode in ("1", "P", "PA", "LA", "La", "RGBa") or "transparency" in image.info:
        # A palette's indices cannot be interpolated.
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image


def prepare(encoded: Path | bytes | Image.Image, size: int, change: Callable[[Pixels], Pixels] | None = None) -> Pixels:
    """Resize the shortest side to ``size`` (bicubic), crop the centre, convert to RGB.

    The result equals, pixel for pixel, that of torchvision's ``Resize`` and ``CenterCrop`` in open_clip's evaluation
    transform, which converts to RGB last, so that grey images are resized as grey.

    Args:
        encoded: See :func:`open_image`.
        size: Side of the result in pixels.
        change: Applied first, to the original image in RGB.

    Returns:
        uint8 ``[size, size, 3]``.
    """
    image = open_image(encoded)
    if change is not None:
        image = Image.fromarray(change(np.asarray(image.convert("RGB"))))
    wide, high = (int(size * side / min(image.size)) for side in image.size)
    left, top = round((wide - size) / 2), round((high - size) / 2)
    resized = image.resize((wide, high), Image.Resampling.BICUBIC)
    return np.asarray(resized.crop((left, top, left + size, top + size)).convert("RGB"))


def prepare_all(
    encoded: Iterable[Path | bytes | Image.Image],
    size: int,
    threads: int,
    change: Change | None = None,
    begin: int = 0,
) -> Iterator[Pixels]:
    """Prepare images in order, on several threads (Pillow releases Python's lock to decode and resize).

    Only a few images per thread are in memory, however slowly the results are consumed.

    Args:
        encoded: See :func:`open_image`.
        size: Side of the prepared images in pixels.
        threads: Number of threads.
        change: Applied to every original image first.
        begin: Index in the split of the first of these images.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Pixels]] = deque()
        for index, image in enumerate(encoded, begin):
            changed = None if change is None else partial(change, index)
            waiting.append(pool.submit(prepare, image, size, changed))
            if len(waiting) >= IMAGES_AHEAD_PER_THREAD * threads:
                yield waiting.popleft().result()
        yield from (future.result() for future in waiting)


def write_split(
    path: str | Path,
    described: Description,
    labels: npt.NDArray[np.int64],
    encoded: Iterable[Path | bytes | Image.Image],
    size: int,
    threads: int,
    hashes: str | Path | None = None,
    kept: KeptImages | None = None,
    change: Change | None = None,
) -> None:
    """Prepare a split's images and write them to an image file one by one.

    Args:
        path: The file.
        described: Fields of its header.
        labels: int64 ``[n]``.
        encoded: The ``n`` images.
        size: Side of the prepared images in pixels.
        threads: Number of threads.
        hashes: See :func:`remerge.images.store.write_images`.
        kept: Images that an earlier run prepared; the images of this run are added.
        change: Applied to every original image before it is resized, such as
            :class:`remerge.images.corruptions.Corruption`.
    """
    gigabytes = len(labels) * size * size * 3 / 1e9
    name = f"{described.task} {described.split}"
    print(f"{name}: {len(labels)} images of {size} x {size}, {gigabytes:.2f} GB in {path}", file=sys.stderr)
    begin = 0 if kept is None else len(kept)
    prepared = prepare_all(islice(encoded, begin, None), size, threads, change, begin)
    images = prepared if kept is None else chain(kept, kept.keep(prepared))
    shown = ProgressBar(images, desc=name, unit="image", total=len(labels))
    write_images(path, described, labels, (size, size, 3), shown, hashes)
    if kept is not None:
        kept.done()


def hash_split(
    path: str | Path,
    name: str,
    count: int,
    encoded: Iterable[Path | bytes | Image.Image],
    size: int,
    threads: int,
    kept: KeptImages,
) -> None:
    """Write the hashes of a split's images, prepared as by :func:`write_split`, without storing the images.

    Args:
        path: The file of hashes, byte for byte the same as that of :func:`write_split`.
        name: Display name of the images.
        count: Number of images.
        encoded: The images.
        size: Side of the prepared images in pixels.
        threads: Number of threads.
        kept: Hashes from an earlier run; the hashes of this run are added.

    Raises:
        RemergeError: There are more or fewer images.
    """
    print(f"{name}: {count} images of {size} x {size}, hashed and not stored", file=sys.stderr)
    prepared = prepare_all(islice(encoded, len(kept), None), size, threads)
    hashes = chain(kept, kept.keep(map(pixel_hash, prepared)))
    found = list(ProgressBar(hashes, desc=name, unit="image", total=count))
    if len(found) != count:
        raise RemergeError(f"{path}: {len(found)} images for {count} labels")
    write_hashes(path, found)
    kept.done()
