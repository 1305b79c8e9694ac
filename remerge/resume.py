"""Long work that was cut off goes on where it was: its state, saved aside from time to time."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from remerge.files import atomic_path

SECONDS_BETWEEN_SAVES = 30.0


def fingerprint_of(files: Sequence[str | Path], settings: Sequence[Any]) -> str:
    """Return a key for work that depends on these files' contents and these plain values."""
    digest = hashlib.sha256(json.dumps(list(settings), sort_keys=True, default=str).encode())
    for path in files:
        with Path(path).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


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
        self._saved = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """Return the state that was saved last, or None if there is none, or none that can be read."""
        try:
            kept = torch.load(self.path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        # Any fault of the file only means to begin anew.
        except Exception:
            return None
        return kept["state"] if isinstance(kept, dict) and kept.get("key") == self.key else None

    def save(self, state: Callable[[], dict[str, Any]]) -> None:
        """Save what ``state`` returns, if it is time."""
        if time.monotonic() - self._saved < self.seconds:
            return
        with atomic_path(self.path) as temporary:
            torch.save({"key": self.key, "state": state()}, temporary)
        self._saved = time.monotonic()

    def done(self) -> None:
        """Forget the state: the work is finished."""
        self.path.unlink(missing_ok=True)
