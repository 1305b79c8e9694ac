"""A job's messages go to its log file and, as they come, to the terminal."""

import platform
import resource
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from remerge import __version__

_begun = time.monotonic()


class _Tee:
    """A text stream that writes to two; progress bars, redrawn with a carriage return, are for terminals only."""

    def __init__(self, terminal: TextIO, log: TextIO) -> None:
        self.terminal = terminal
        self.log = log
        self._begins_line = True

    def write(self, text: str) -> int:
        # A bar within another moves the cursor a line down and up again: of that, empty lines would be left.
        redrawn = text.startswith(("\r", "\x1b")) or (self._begins_line and not text.strip("\n"))
        if not redrawn or self.terminal.isatty():
            self.terminal.write(text)
        if not redrawn:
            self.log.write(text)
            self._begins_line = text.endswith("\n")
        return len(text)

    def flush(self) -> None:
        self.terminal.flush()
        self.log.flush()

    def isatty(self) -> bool:
        return self.terminal.isatty()


def log_to(path: str | Path) -> None:
    """Send everything written to standard error from now on to ``path`` as well, line by line."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    # Open as long as the process lives: an exception's traceback must still reach it.
    log = Path(path).open("w", buffering=1, encoding="utf-8")  # noqa: SIM115
    # Several jobs in one process have a log each.
    sys.stderr = _Tee(sys.stderr.terminal if isinstance(sys.stderr, _Tee) else sys.stderr, log)


def started(job: Any, inputs: Sequence[str]) -> None:
    """Say which job starts, when, and how much it reads.

    Args:
        job: What Snakemake hands to a script as ``snakemake``.
        inputs: Its input files.
    """
    global _begun
    _begun = time.monotonic()
    values = "".join(f", {name}={value}" for name, value in job.wildcards.items())
    versions = f"remerge {__version__}, Python {platform.python_version()}, threads {job.threads}"
    now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    print(f"start: {job.rule}{values}, {now}, {versions}", file=sys.stderr)
    sizes = {path: Path(path).stat().st_size for path in inputs if Path(path).is_file()}
    largest = max(sizes, key=sizes.__getitem__, default="")
    details = f", {_bytes(sum(sizes.values()))}; largest: {largest}, {_bytes(sizes[largest])}" if sizes else ""
    print(f"inputs: {len(sizes)} files{details}", file=sys.stderr)


def ended(job: Any) -> None:
    """Say how long a job took, and how much memory its process held at most."""
    # Linux counts in KiB, macOS in bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    seconds = time.monotonic() - _begun
    print(f"end: {job.rule}, {seconds:.1f} s, peak memory {_bytes(peak)}", file=sys.stderr)


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.4g} {unit}"
        count /= 1000
    return f"{count:.4g} GB"
