"""Resuming interrupted work: its state is saved from time to time, and the next run continues from there."""

import hashlib
import json
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from remerge.run.atomic import atomic_path

SECONDS_BETWEEN_SAVES = 30.0
FOLDER = Path(".snakemake/remerge/resume")


def state_of(output: str | Path, inputs: Iterable[str | Path], settings: Sequence[Any]) -> tuple[Path, str]:
    """Return the path of a job's saved state, and a key that identifies the work.

    Args:
        output: The job's output.
        inputs: The files on whose contents the work depends.
        settings: The plain values it depends on, including the digest of its code.
    """
    digest = hashlib.sha256(json.dumps(list(settings), sort_keys=True, default=str).encode())
    for path in inputs:
        with Path(path).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return FOLDER / output, digest.hexdigest()


class Progress:
    """The saved state of one piece of work, kept until the work is done.

    The state must include everything that the remaining work depends on, so that the result is the same as without an
    interruption.
    """

    def __init__(self, path: str | Path, key: str, *, seconds: float = SECONDS_BETWEEN_SAVES) -> None:
        """Keep the state of one piece of work in a file.

        Args:
            path: The file; outside the results, because it is not a result.
            key: Identifies the work: a state that was saved under a different key is ignored.
            seconds: Shortest time between two saves.
        """
        self.path = Path(path)
        self.key = key
        self.seconds = seconds
        self.earlier = 0.0
        """Seconds that earlier runs had worked when they saved the loaded state."""
        self._begun = self._saved = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """Return the last saved state, or None if it is missing or unreadable."""
        import torch

        try:
            kept = torch.load(self.path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        # Whatever is wrong with the file, the work can start over.
        except Exception:
            return None
        if not isinstance(kept, dict) or kept.get("key") != self.key:
            return None
        self.earlier = kept["seconds"]
        return dict(kept["state"])

    def save(self, state: Callable[[], dict[str, Any]]) -> None:
        """Save the return value of ``state``, if it is time."""
        if time.monotonic() - self._saved < self.seconds:
            return
        # Preparing images does not need torch, whose import takes seconds.
        import torch

        seconds = self.earlier + time.monotonic() - self._begun
        with atomic_path(self.path) as temporary:
            torch.save({"key": self.key, "seconds": seconds, "state": state()}, temporary)
        self._saved = time.monotonic()

    def done(self) -> None:
        """Delete the state, because the work is finished."""
        self.path.unlink(missing_ok=True)


def write_earlier(path: str | Path, seconds: float) -> None:
    """Write how long a job had worked before the run that finished it, in the format of Snakemake's benchmark files."""
    with atomic_path(path) as temporary:
        temporary.write_text(f"s\tmax_rss\n{seconds:.4f}\t-\n", encoding="ascii")


class KeptImages:
    """Prepared images, or their hashes, appended to a file one by one, so that an interrupted run can reuse them."""

    def __init__(self, path: str | Path, key: str, shape: tuple[int, ...]) -> None:
        """Open the file, or start a new one if it belongs to other work; an incomplete last image is dropped.

        Args:
            path: The file; outside the results, because it is not a result.
            key: 64 characters that identify the work, from :func:`state_of`.
            shape: Shape of every image or hash.
        """
        self.path = Path(path)
        self.shape = shape
        self._size = int(np.prod(shape))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        begun = self.path.exists() and self.path.open("rb").read(len(key)) == key.encode()
        # Stays open until all images are written.
        self._file = self.path.open("r+b" if begun else "w+b")
        if not begun:
            self._file.write(key.encode())
        self._begin = len(key)
        self._count = 0
        self._file.seek(self._begin)
        while len(record := self._file.read(self._size + 4)) == self._size + 4 and _is_whole(record):
            self._count += 1
        self._file.seek(self._begin + self._count * (self._size + 4))
        self._file.truncate()

    def __len__(self) -> int:
        """Number of images in the file."""
        return self._count

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield the images that were in the file when it was opened."""
        with self.path.open("rb") as file:
            file.seek(self._begin)
            for _ in range(self._count):
                yield np.frombuffer(file.read(self._size + 4), np.uint8)[: self._size].reshape(self.shape)

    def keep(self, images: Iterator[npt.NDArray[np.uint8]]) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield images one by one, and append each to the file."""
        for image in images:
            pixels = image.tobytes()
            self._file.write(pixels + zlib.crc32(pixels).to_bytes(4, "little"))
            self._file.flush()
            yield image

    def done(self) -> None:
        """Delete the images, because the final file is written."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def _is_whole(record: bytes) -> bool:
    return zlib.crc32(record[:-4]) == int.from_bytes(record[-4:], "little")
