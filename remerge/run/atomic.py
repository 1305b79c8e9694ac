"""Atomic writes: a file appears under its final name complete or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".partial-"
"""Prefix of the names of files that are still being written."""


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path to write to; on success it is synced to disk and renamed to ``path``.

    The temporary file is in the same folder, so that the rename is atomic, and keeps the suffixes of ``path``,
    so that libraries that choose a format by file name choose the same one. If the block raises, the temporary
    file is removed and ``path`` is left unchanged.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=PARTIAL, suffix="".join(final.suffixes), dir=final.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        # mkstemp makes files that only their owner can read, but results are meant to be shared.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: str | os.PathLike[str]) -> list[str]:
    """Remove and return the unfinished files of killed processes. Do not call this while any job is running."""
    leftovers = sorted(Path(folder).rglob(f"{PARTIAL}*"))
    for path in leftovers:
        path.unlink(missing_ok=True)
    return [str(path) for path in leftovers]
