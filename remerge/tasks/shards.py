"""Reading images from tar files in WebDataset's format: ``{key}.jpg`` beside ``{key}.cls``, which holds the label."""

import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from remerge.errors import RemergeError

LABEL = ".cls"
IMAGES = (".jpg", ".jpeg", ".png", ".webp")


def read_labels(paths: Sequence[Path], classes: int) -> npt.NDArray[np.int64]:
    """Return the labels of all samples, file by file.

    Args:
        paths: The split's tar files, in order.
        classes: Number of classes of the task.

    Raises:
        RemergeError: A file is not a tar file, or a label is no number in ``range(classes)``.
    """
    labels = []
    for path in paths:
        for name, content in _contents(path, (LABEL,)):
            text = content.decode(errors="replace").strip()
            if not (text.isascii() and text.isdigit() and int(text) < classes):
                raise RemergeError(f"{path}: {name}: the label {text[:20]!r} is no number from 0 to {classes - 1}")
            labels.append(int(text))
    return np.array(labels, np.int64)


def read_encoded(paths: Sequence[Path], wanted: npt.NDArray[np.bool_]) -> Iterator[bytes]:
    """Yield the encoded images of some samples, one at a time.

    Args:
        paths: The split's tar files, in order.
        wanted: One entry per sample of all files together.

    Raises:
        RemergeError: A file is not a tar file, or there are more or fewer images than labels.
    """
    index = 0
    for path in paths:
        for _, content in _contents(path, IMAGES):
            if index < len(wanted) and wanted[index]:
                yield content
            index += 1
    if index != len(wanted):
        raise RemergeError(f"{paths[0] if paths else 'no file'}: {index} images for {len(wanted)} labels")


def _contents(path: Path, suffixes: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """The files in a tar file with one of some suffixes, in order."""
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if Path(member.name).suffix.lower() in suffixes and (opened := archive.extractfile(member)):
                    yield member.name, opened.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise RemergeError(f"{path}: not a tar file: {error}") from error
