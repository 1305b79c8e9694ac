"""Images as arrays: one safetensors file per task and split, made once and then memory-mapped."""

import hashlib
import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from remerge.errors import RemergeError
from remerge.run.atomic import atomic_path

HASH_BYTES = 16


@dataclass(frozen=True)
class ImageSet:
    """The images of one split of one task.

    Attributes:
        images: uint8 ``[n, height, width, 3]``, RGB, after the deterministic part of the preprocessing.
        labels: int64 ``[n]``, indices into the task's class names.
        task: Name of the task.
        split: ``train``, ``validation`` or ``test``.
        origin: ``rendered`` (drawn by this package) or ``real``.
        missing: Why there are no images; empty if there are some.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    task: str
    split: str
    origin: str
    missing: str = ""

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)


@dataclass(frozen=True)
class Description:
    """The header of an image file; the fields are those of :class:`ImageSet`.

    It has no class names or templates, because different prompts for the same images only change the head.
    """

    task: str
    split: str
    origin: str
    missing: str = ""


def save_images(path: str | Path, image_set: ImageSet, hashes: str | Path | None = None) -> None:
    """Write ``image_set`` to a safetensors file; its header has task, split, origin and fingerprint.

    See :func:`write_images` for ``hashes``.
    """
    described = Description(image_set.task, image_set.split, image_set.origin, image_set.missing)
    write_images(path, described, image_set.labels, image_set.images.shape[1:], image_set.images, hashes)


def fingerprint(image_set: ImageSet) -> str:
    """Return the SHA-256 of shape, labels and pixels: equal if and only if the content is equal."""
    digest = _begun(image_set.images.shape, image_set.labels)
    digest.update(np.ascontiguousarray(image_set.images).tobytes())
    return digest.hexdigest()


def _begun(shape: tuple[int, ...], labels: npt.NDArray[np.int64]) -> "hashlib._Hash":
    return hashlib.sha256(json.dumps(shape).encode() + np.ascontiguousarray(labels, np.int64).tobytes())


def write_images(
    path: str | Path,
    described: Description,
    labels: npt.NDArray[np.int64],
    size: tuple[int, ...],
    images: Iterable[npt.NDArray[np.uint8]],
    hashes: str | Path | None = None,
) -> None:
    """Write images to a safetensors file one by one, with one in memory at a time.

    Args:
        path: The file.
        described: Fields of its header.
        labels: int64 ``[n]``.
        size: Shape of one image, ``(height, width, 3)``.
        images: ``n`` arrays of that shape, uint8.
        hashes: A second file, with one line per image: the hash of its pixels, so that equal images have equal lines.

    Raises:
        RemergeError: There are more or fewer images than labels, or one has the wrong shape.
    """
    shape = (len(labels), *size)
    digest = _begun(shape, labels)
    metadata = {
        "task": described.task,
        "split": described.split,
        "origin": described.origin,
        "missing": described.missing,
        "n": str(len(labels)),
        "fingerprint": digest.hexdigest(),
    }
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(_header(shape, metadata))
        file.write(np.ascontiguousarray(labels, np.int64).tobytes())
        digests: list[npt.NDArray[np.uint8]] = []
        for image in images:
            if image.shape != shape[1:] or image.dtype != np.uint8:
                raise RemergeError(
                    f"{path}: image {len(digests)} is {image.dtype} {image.shape}, not uint8 {shape[1:]}"
                )
            pixels = image.tobytes()
            digest.update(pixels)
            file.write(pixels)
            digests.append(pixel_hash(image))
        if len(digests) != len(labels):
            raise RemergeError(f"{path}: {len(digests)} images for {len(labels)} labels")
        # The fingerprint is only known now; it is as long as its placeholder.
        file.seek(0)
        file.write(_header(shape, metadata | {"fingerprint": digest.hexdigest()}))
    if hashes is not None:
        write_hashes(hashes, digests)


def pixel_hash(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return a hash of an image's pixels, uint8 ``[16]``: equal for equal pixels."""
    return np.frombuffer(hashlib.blake2b(image.tobytes(), digest_size=HASH_BYTES).digest(), np.uint8)


def write_hashes(path: str | Path, hashes: Iterable[npt.NDArray[np.uint8]]) -> None:
    """Write the results of :func:`pixel_hash`, one line per image."""
    with atomic_path(path) as temporary:
        temporary.write_text("".join(each.tobytes().hex() + "\n" for each in hashes), encoding="ascii")


def _header(shape: tuple[int, ...], metadata: Mapping[str, str]) -> bytes:
    """The start of a safetensors file with int64 labels followed by uint8 images."""
    begin = 8 * shape[0]
    content = {
        "__metadata__": dict(metadata),
        "labels": {"dtype": "I64", "shape": [shape[0]], "data_offsets": [0, begin]},
        "images": {"dtype": "U8", "shape": list(shape), "data_offsets": [begin, begin + int(np.prod(shape))]},
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def load_images(path: str | Path) -> ImageSet:
    """Read a file from :func:`write_images`; the pixels are memory-mapped, and writing to them leaves the file as is.

    Raises:
        RemergeError: ``path`` is not such a file, or is truncated.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
            shape = tuple(file.get_slice("images").get_shape())
            return ImageSet(
                images=_mapped(path, shape),
                labels=file.get_tensor("labels"),
                task=metadata["task"],
                split=metadata["split"],
                origin=metadata["origin"],
                missing=metadata["missing"],
            )
    except (SafetensorError, KeyError, TypeError) as error:
        raise RemergeError(
            f"{path}: not an image file of this workflow ({error}); delete it to have it made again"
        ) from error


def load_image_sets(
    tasks: Iterable[str], paths: Iterable[str | Path], at_most: int | None = None
) -> dict[str, ImageSet]:
    """Read the images of one split of several tasks, by task.

    Args:
        tasks: The tasks.
        paths: Their files, in the same order.
        at_most: Number of images to draw from each task, see :func:`drawn`; all if None.

    Raises:
        RemergeError: See :func:`load_images`.
    """
    sets = map(load_images, paths)
    return dict(zip(tasks, sets if at_most is None else [drawn(each, at_most) for each in sets], strict=True))


def drawn(image_set: ImageSet, at_most: int) -> ImageSet:
    """Return some images of a set, drawn with a fixed seed and in their order; a larger draw has every smaller one."""
    # A generator whose stream is frozen across versions of NumPy.
    chosen = np.sort(np.random.RandomState(0).permutation(len(image_set))[:at_most])
    return replace(image_set, images=image_set.images[chosen], labels=image_set.labels[chosen])


def _mapped(path: str | Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    # The pixels are the file's last bytes; an empty split has none, and empty maps are not allowed.
    if 0 in shape:
        return np.empty(shape, np.uint8)
    offset = Path(path).stat().st_size - int(np.prod(shape))
    return np.memmap(path, np.uint8, mode="c", offset=offset, shape=shape)
