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

# Pillow warns of large images, and refuses those of twice that size: SUN397 has some that every reference run reads.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

# Enough that threads never wait for the writer, few enough that memory stays flat.
IMAGES_AHEAD_PER_THREAD = 16

Pixels = npt.NDArray[np.uint8]
Change = Callable[[int, Pixels], Pixels]
"""What is done, before it is resized, to the original image of an index in its split, uint8 ``[height, width, 3]``."""


def open_image(encoded: Path | bytes | Image.Image) -> Image.Image:
    """Decode an image: upright, 8 bits per channel, opaque; grey stays grey.

    Args:
        encoded: A file, its content, or an image that is decoded already.

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
        # Pillow's own conversion cuts off at 255, which turns most of such an image white.
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

    To the pixel what torchvision's ``Resize`` and ``CenterCrop`` do in open_clip's evaluation transform, which
    converts to RGB last, so that grey images are resized as grey.

    Args:
        encoded: See :func:`open_image`.
        size: Side of the result in pixels.
        change: Applied to the original image first, which is converted to RGB for it.

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
    """Prepare images on several threads (Pillow decodes and resizes outside Python's lock), in their order.

    Only a few images per thread are in memory, however slowly the result is taken.

    Args:
        encoded: See :func:`open_image`.
        size: Side of the prepared images in pixels.
        threads: How many prepare at once.
        change: What is done to every original image first.
        begin: Index of the first of these images in its split.
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
    """Prepare a split's images and write them to an image file as they come.

    Args:
        path: The file.
        described: What its header says.
        labels: int64 ``[n]``.
        encoded: The ``n`` images.
        size: Side of the prepared images in pixels.
        threads: How many prepare at once.
        hashes: See :func:`remerge.images.store.write_images`.
        kept: Images that an earlier run has prepared, and where to keep those of this one.
        change: What is done to every original image before it is resized, such as
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
    """Write the hashes of a split's images as :func:`write_split` would prepare them, and store no image.

    Args:
        path: The file of hashes, the same to the byte as that of :func:`write_split`.
        name: What the images are, for people.
        count: How many there are.
        encoded: The images.
        size: Side of the prepared images in pixels.
        threads: How many are prepared at once.
        kept: Hashes of an earlier run, and where to keep those of this one.

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
