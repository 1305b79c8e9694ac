"""Images as arrays: one safetensors file per task and split, made once and memory-mapped ever after."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from remerge.errors import RemergeError
from remerge.files import atomic_path
from remerge.headers import sort_metadata


@dataclass(frozen=True)
class ImageSet:
    """The images of one split of one task.

    Attributes:
        images: uint8 ``[n, height, width, 3]``, RGB, after the deterministic part of the preprocessing.
        labels: int64 ``[n]``, indices into ``classes``.
        classes: Class names in label order, as the zero-shot head's prompts use them.
        templates: Prompts with one ``{}`` for the class name.
        task: Name of the task.
        split: ``train``, ``validation`` or ``test``.
        origin: ``rendered`` (drawn by this package) or ``real``.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    task: str
    split: str
    origin: str

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)


def fingerprint(image_set: ImageSet) -> str:
    """Return the SHA-256 of pixels, labels and class names: equal when, and only when, the content is."""
    digest = hashlib.sha256(json.dumps([image_set.images.shape, image_set.classes]).encode())
    digest.update(np.ascontiguousarray(image_set.images).tobytes())
    digest.update(np.ascontiguousarray(image_set.labels).tobytes())
    return digest.hexdigest()


def save_images(path: str | Path, image_set: ImageSet) -> None:
    """Write ``image_set`` to a safetensors file; its header tells classes, templates, origin and fingerprint."""
    metadata = {
        "task": image_set.task,
        "split": image_set.split,
        "origin": image_set.origin,
        "classes": json.dumps(image_set.classes, ensure_ascii=False),
        "templates": json.dumps(image_set.templates, ensure_ascii=False),
        "n": str(len(image_set)),
        "fingerprint": fingerprint(image_set),
    }
    arrays: dict[str, npt.NDArray[Any]] = {
        "images": np.ascontiguousarray(image_set.images),
        "labels": np.ascontiguousarray(image_set.labels),
    }
    with atomic_path(path) as temporary:
        save_file(arrays, temporary, metadata)
        sort_metadata(temporary)


def load_images(path: str | Path) -> ImageSet:
    """Read a file that :func:`save_images` wrote.

    Raises:
        RemergeError: ``path`` is not such a file, or is cut short.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
            return ImageSet(
                images=file.get_tensor("images"),
                labels=file.get_tensor("labels"),
                classes=tuple(json.loads(metadata["classes"])),
                templates=tuple(json.loads(metadata["templates"])),
                task=metadata["task"],
                split=metadata["split"],
                origin=metadata["origin"],
            )
    except (SafetensorError, KeyError, TypeError) as error:
        raise RemergeError(
            f"{path}: not an image file of this workflow ({error}); delete it to have it made again"
        ) from error
