"""The original images of tasks from all sources; labels are read at once, images one by one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from PIL import Image

from remerge.downloads.records import missing, recorded
from remerge.tasks import parquet, shards
from remerge.tasks.folder import labels_of_folders, list_folder
from remerge.tasks.splits import held_out, membership

TORCHVISION_ROOT = Path("results/downloads/torchvision")


@dataclass(frozen=True)
class Split:
    """The images of one split, not yet decoded.

    Attributes:
        labels: int64 ``[n]``, indices into the task's class names.
        encoded: The ``n`` images in the same order.
        missing: Why there are no images, if there are none.
    """

    labels: npt.NDArray[np.int64]
    encoded: Iterable[Path | bytes | Image.Image]
    missing: str = ""


def read_split(
    source: str,
    task: str,
    split: str,
    classes: Sequence[str],
    record: str | Path | None,
    folder: str | Path | None,
    test_images: int | None = None,
) -> Split:
    """Read one split of a task.

    Args:
        source: ``hub``, ``torchvision``, ``folder`` or ``none`` for one of the papers' tasks; ``own`` for a task that
            the user keeps in a folder, whose class folders in sorted order are the classes.
        task: The task's name.
        split: ``train``, ``validation`` or ``test``; of an ``own`` task only ``test``.
        classes: The task's class names.
        record: For ``hub``, what :func:`remerge.downloads.records.record` wrote.
        folder: For ``folder`` and ``own``, where the images are.
        test_images: How many test images are drawn, if not all.
    """
    match source:
        case "hub":
            return from_hub(str(record), len(classes), split, test_images)
        case "torchvision":
            return from_torchvision(task, split, test_images)
        case "folder":
            return from_folder(str(folder), classes, split, test_images)
        case "own":
            listing = list_folder(str(folder), lambda labels: labels[:0])["test"]
            return Split(listing.labels, listing.paths)
    return absent(f"the configuration leaves it out (clip_tasks.{task}.source: none)")


def absent(reason: str) -> Split:
    """Return a split without images."""
    return Split(np.empty(0, np.int64), (), reason)


def from_hub(record: str | Path, classes: int, split: str, test_images: int | None = None) -> Split:
    """Read a split of a data set on the Hub; its files are in the Hub's cache, or are downloaded again.

    Args:
        record: What :func:`remerge.downloads.records.record` wrote.
        classes: Number of the task's classes.
        split: ``train``, ``validation`` or ``test``.
        test_images: How many test images are drawn, if not all.
    """
    if reason := missing(record):
        return absent(reason)
    paths = [path for _, path in sorted(recorded(record).paths.items())]
    read = shards if paths and paths[0].suffix == ".tar" else parquet
    labels = read.read_labels(paths, classes)
    chosen = membership(split, len(labels), test_images)
    return Split(labels[chosen], read.read_encoded(paths, chosen))


def from_folder(folder: str | Path, classes: Sequence[str], split: str, test_images: int | None = None) -> Split:
    """Read a split of a folder ``{train,test}/{class}/{image}`` that has been checked."""
    listing = list_folder(folder, lambda labels: held_out(len(labels)))[split]
    folders = sorted(entry.name for entry in (Path(folder) / "train").iterdir() if not entry.name.startswith("."))
    labels = np.array(labels_of_folders(folders, classes), np.int64)[listing.labels]
    if split != "test":
        return Split(labels, listing.paths)
    chosen = np.flatnonzero(membership(split, len(labels), test_images))
    return Split(labels[chosen], [listing.paths[index] for index in chosen])


def from_torchvision(task: str, split: str, test_images: int | None = None, root: Path = TORCHVISION_ROOT) -> Split:
    """Read a split of a data set that torchvision downloads."""
    # It imports torch, which the other sources do not need.
    from remerge.tasks.torchvision_sets import decoded, labels_of, training_and_test

    # Jobs for the task's other splits need the same files at the same time.
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f"{task}.lock"):
        training, test = training_and_test(task, root, download=True)
    images = test if split == "test" else training
    chosen = np.flatnonzero(membership(split, len(images), test_images))
    return Split(labels_of(images)[chosen], decoded(images, chosen))
