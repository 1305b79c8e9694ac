"""Long work that was cut off goes on where it was: its state, saved aside from time to time."""

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
    """Return where the unfinished work of a job is kept, and a key that tells it apart from any other work.

    Args:
        output: What the job makes.
        inputs: The files on whose contents the work depends.
        settings: The plain values on which it depends, the digest of its code among them.
    """
    digest = hashlib.sha256(json.dumps(list(settings), sort_keys=True, default=str).encode())
    for path in inputs:
        with Path(path).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return FOLDER / output, digest.hexdigest()


class Progress:
    """The saved state of one piece of work, kept until it is done.

    The state must be all that the remaining work depends on, so that the result is the same as without a break.
    """

    def __init__(self, path: str | Path, key: str, *, seconds: float = SECONDS_BETWEEN_SAVES) -> None:
        """Keep the state of one piece of work in a file.

        Args:
            path: The file; outside the results, as it is none.
            key: Tells the work apart from any other that was ever saved there: a state under another key is ignored.
            seconds: Least time between two saves.
        """
        self.path = Path(path)
        self.key = key
        self.seconds = seconds
        self.earlier = 0.0
        """Seconds that earlier runs worked, until they last saved the state that was loaded."""
        self._begun = self._saved = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """Return the state that was saved last, or None if there is none, or none that can be read."""
        import torch

        try:
            kept = torch.load(self.path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        # Any fault of the file only means to begin anew.
        except Exception:
            return None
        if not isinstance(kept, dict) or kept.get("key") != self.key:
            return None
        self.earlier = kept["seconds"]
        return dict(kept["state"])

    def save(self, state: Callable[[], dict[str, Any]]) -> None:
        """Save what ``state`` returns, if it is time."""
        if time.monotonic() - self._saved < self.seconds:
            return
        # Images are prepared without it, which would cost seconds.
        import torch

        seconds = self.earlier + time.monotonic() - self._begun
        with atomic_path(self.path) as temporary:
            torch.save({"key": self.key, "seconds": seconds, "state": state()}, temporary)
        self._saved = time.monotonic()

    def done(self) -> None:
        """Forget the state: the work is finished."""
        self.path.unlink(missing_ok=True)


def write_earlier(path: str | Path, seconds: float) -> None:
    """Write, as Snakemake's benchmark files are, how long a job had worked before the run that finished it."""
    with atomic_path(path) as temporary:
        temporary.write_text(f"s\tmax_rss\n{seconds:.4f}\t-\n", encoding="ascii")


class KeptImages:
    """Prepared images, or their hashes, appended to a file one by one: what a run need not do again after a break."""

    def __init__(self, path: str | Path, key: str, shape: tuple[int, ...]) -> None:
        """Open the file, or begin it anew if it is of other work; a last image that was cut off is dropped.

        Args:
            path: The file; outside the results, as it is none.
            key: 64 characters that tell the work apart from any other, as :func:`state_of` makes them.
            shape: Of every image, or hash.
        """
        self.path = Path(path)
        self.shape = shape
        self._size = int(np.prod(shape))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        begun = self.path.exists() and self.path.open("rb").read(len(key)) == key.encode()
        # Held open for as long as images come.
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
        """How many images are kept."""
        return self._count

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield those that were kept when the file was opened."""
        with self.path.open("rb") as file:
            file.seek(self._begin)
            for _ in range(self._count):
                yield np.frombuffer(file.read(self._size + 4), np.uint8)[: self._size].reshape(self.shape)

    def keep(self, images: Iterator[npt.NDArray[np.uint8]]) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield images as they come, and append each."""
        for image in images:
            pixels = image.tobytes()
            self._file.write(pixels + zlib.crc32(pixels).to_bytes(4, "little"))
            self._file.flush()
            yield image

    def done(self) -> None:
        """Forget the images: their file is written."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def _is_whole(record: bytes) -> bool:
    return zlib.crc32(record[:-4]) == int.from_bytes(record[-4:], "little")
