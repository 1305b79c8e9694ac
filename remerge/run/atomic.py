"""Files appear under their final name whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".partial-"
"""How names of files begin that are being written."""


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path to write to; on success it is synced to disk and renamed to ``path``.

    The temporary file lies in the same folder, so that the rename is atomic, and keeps the suffixes of
    ``path``, so that libraries which choose a format by the name choose the same one. If the block raises,
    the temporary file is removed and ``path`` stays as it was.
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
        # mkstemp makes files only their owner can read; results are for sharing.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: str | os.PathLike[str]) -> list[str]:
    """Remove what killed processes were writing, and return it. Not to be called while anything is being made."""
    leftovers = sorted(Path(folder).rglob(f"{PARTIAL}*"))
    for path in leftovers:
        path.unlink(missing_ok=True)
    return [str(path) for path in leftovers]
