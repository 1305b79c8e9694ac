"""The papers' tasks that torchvision can still download, with the papers' splits."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from torchvision import datasets

from remerge.errors import RemergeError

# torchvision's EuroSAT has no splits, and the authors' random split into 80, 10 and 10 % was never published.
EUROSAT_TEST_SHARE = 0.1


def training_and_test(task: str, root: str | Path, *, download: bool) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return a task's training images, validation included, and its test images.

    For DTD, the training images are the official training and validation splits, which the authors also combine.
    EuroSAT is split at random with seed 0, so about four fifths of its test images were in the training set of the
    authors' expert.

    Args:
        task: A task that ``torchvision`` can download, according to :class:`remerge.tasks.clip.ClipTask`.
        root: Where torchvision keeps its files.
        download: Whether to download missing files.

    Returns:
        Two sequences of ``(image, label)``.

    Raises:
        RemergeError: The files are missing, or cannot be downloaded.
    """
    Path(root).mkdir(parents=True, exist_ok=True)
    try:
        return _PARTS[task](str(root), download)
    except (RuntimeError, OSError) as error:
        raise RemergeError(f"{task}: torchvision cannot provide it under {root}: {error}") from error


def archives(task: str, root: str | Path) -> list[Path]:
    """Return the files of a task that torchvision downloaded.

    Raises:
        RemergeError: They have been removed, although the unpacked files may still be there.
    """
    found = sorted(Path(root).glob(_ARCHIVES[task]))
    if not found:
        raise RemergeError(
            f"{task}: {Path(root) / _ARCHIVES[task]} is gone, so that there is no telling what was downloaded; "
            f"remove {Path(root) / Path(_ARCHIVES[task]).parts[0]} and run again"
        )
    return found


def labels_of(images: Sequence[Any]) -> npt.NDArray[np.int64]:
    """Return the labels, without decoding images if the data set stores them separately."""
    for name in ("targets", "labels", "_labels"):
        if (labels := getattr(images, name, None)) is not None:
            return np.asarray(labels, np.int64)
    if (samples := getattr(images, "_samples", None)) is not None:
        return np.array([label for _, label in samples], np.int64)
    return np.array([images[index][1] for index in range(len(images))], np.int64)


def decoded(images: Sequence[Any], chosen: npt.NDArray[np.int64]) -> Iterator[Image.Image]:
    """Yield some images in order."""
    for index in chosen.tolist():
        yield images[index][0]


class _Part(Sequence[Any]):
    """Some images of one data set, or of several data sets one after the other."""

    def __init__(self, sets: Sequence[Any], chosen: npt.NDArray[np.int64] | None = None) -> None:
        self.sets = sets
        sizes = [len(images) for images in sets]
        ends = np.cumsum(sizes)
        self.begins = ends - np.array(sizes)
        self.chosen = np.arange(ends[-1]) if chosen is None else chosen
        self.labels = np.concatenate([labels_of(images) for images in sets])[self.chosen]

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: Any) -> Any:
        place = int(self.chosen[index])
        which = int(np.searchsorted(self.begins, place, side="right")) - 1
        return self.sets[which][place - int(self.begins[which])]


def _mnist(root: str, download: bool) -> tuple[Any, Any]:
    return tuple(datasets.MNIST(root, train=train, download=download) for train in (True, False))


def _emnist_digits(root: str, download: bool) -> tuple[Any, Any]:
    # Its images are transposed, and the experts were trained on them as they are.
    return tuple(datasets.EMNIST(root, split="digits", train=train, download=download) for train in (True, False))


def _by_split(kind: Any) -> Callable[[str, bool], tuple[Any, Any]]:
    return lambda root, download: (
        kind(root, split="train", download=download),
        kind(root, split="test", download=download),
    )


def _dtd(root: str, download: bool) -> tuple[Any, Any]:
    train, validation, test = (datasets.DTD(root, split=split, download=download) for split in ("train", "val", "test"))
    return _Part([train, validation]), test


def _eurosat(root: str, download: bool) -> tuple[Any, Any]:
    whole = datasets.EuroSAT(root, download=download)
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(whole))
    held = int(EUROSAT_TEST_SHARE * len(whole))
    return _Part([whole], np.sort(order[held:])), _Part([whole], np.sort(order[:held]))


_PARTS: dict[str, Callable[[str, bool], tuple[Any, Any]]] = {
    "MNIST": _mnist,
    "SVHN": _by_split(datasets.SVHN),
    "GTSRB": _by_split(datasets.GTSRB),
    "DTD": _dtd,
    "EuroSAT": _eurosat,
    "EMNIST-digits": _emnist_digits,
}
_ARCHIVES = {
    "MNIST": "MNIST/raw/*.gz",
    "SVHN": "*_32x32.mat",
    "GTSRB": "gtsrb/*.zip",
    "DTD": "dtd/*.tar.gz",
    "EuroSAT": "eurosat/*.zip",
    "EMNIST-digits": "EMNIST/raw/*.zip",
}
