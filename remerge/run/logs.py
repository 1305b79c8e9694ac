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
from remerge.run.heartbeat import SECONDS, Heartbeat

_begun = time.monotonic()
_heartbeat: Heartbeat | None = None


class _Log:
    """A log file that remembers its last line and when it was written."""

    def __init__(self, path: Path) -> None:
        # Stays open for the life of the process, so that the traceback of an exception still reaches it.
        self._file = path.open("w", buffering=1, encoding="utf-8")
        self.heard = self.said = time.monotonic()
        self.last = ""

    def write(self, text: str) -> int:
        self.heard = self.said = time.monotonic()
        if text.strip():
            self.last = text.strip().splitlines()[-1]
        return self._file.write(text)

    def beat(self, line: str) -> None:
        """Write a line that does not count as progress."""
        self.heard = time.monotonic()
        self._file.write(line)

    def flush(self) -> None:
        self._file.flush()


class _Tee:
    """A text stream that writes to two others; progress bars, redrawn with a carriage return, go to terminals only."""

    def __init__(self, terminal: TextIO, log: _Log) -> None:
        self.terminal = terminal
        self.log = log
        self._begins_line = True

    def write(self, text: str) -> int:
        # A nested bar moves the cursor down a line and up again, which would leave empty lines in the log.
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
    # If several jobs run in one process, each has its own log.
    terminal = sys.stderr.terminal if isinstance(sys.stderr, _Tee) else sys.stderr
    sys.stderr = _Tee(terminal, _Log(Path(path)))


def started(job: Any, inputs: Sequence[str], threads: int) -> None:
    """Log which job starts, when, and how much it reads; from then on it logs at least every half minute.

    Args:
        job: The object ``snakemake`` of the script.
        inputs: The job's input files.
        threads: Number of threads it may use.
    """
    global _begun
    _begun = time.monotonic()
    values = "".join(f", {name}={value}" for name, value in job.wildcards.items())
    allowed = f"threads {threads}" + (f" (of {job.threads}: no more are allowed here)" if threads < job.threads else "")
    versions = f"remerge {__version__}, Python {platform.python_version()}, {allowed}"
    now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    print(f"start: {job.rule}{values}, {now}, {platform.node()}, {versions}", file=sys.stderr)
    sizes = {path: Path(path).stat().st_size for path in inputs if Path(path).is_file()}
    largest = max(sizes, key=sizes.__getitem__, default="")
    details = f", {_bytes(sum(sizes.values()))}; largest: {largest}, {_bytes(sizes[largest])}" if sizes else ""
    print(f"inputs: {len(sizes)} file{'s' * (len(sizes) != 1)}{details}", file=sys.stderr)
    _listen()


def _listen() -> None:
    global _heartbeat
    if _heartbeat:
        _heartbeat.stop()
    # Nobody watches a job that has no log.
    _heartbeat = Heartbeat(_heard, _alive, seconds=SECONDS) if isinstance(sys.stderr, _Tee) else None


def _heard() -> float:
    return sys.stderr.log.heard if isinstance(sys.stderr, _Tee) else time.monotonic()


def _alive(busy: float) -> None:
    if not isinstance(sys.stderr, _Tee):
        return
    # The doctor, which reports missing packages, imports this module too, and tqdm may be missing.
    from remerge.run import progress

    log, now = sys.stderr.log, time.monotonic()
    doing = progress.standing() or f'nothing new for {progress.duration(now - log.said)} since "{log.last}"'
    so_far = f"running for {progress.duration(now - _begun)}, {busy:.1f} cores busy, peak memory {_bytes(_peak())}"
    line = f"{time.strftime('%H:%M:%S')} {doing} ({so_far})\n"
    # A line would break up a bar.
    if not progress.bar_is_drawn():
        sys.stderr.terminal.write(line)
        sys.stderr.terminal.flush()
    log.beat(line)


def ended(job: Any) -> None:
    """Log how long a job took, and the peak memory of its process."""
    if _heartbeat:
        _heartbeat.stop()
    seconds = time.monotonic() - _begun
    print(f"end: {job.rule}, {seconds:.1f} s, peak memory {_bytes(_peak())}{_peak_of_gpu()}", file=sys.stderr)


def _peak() -> int:
    """Peak memory of this process, in bytes."""
    # Linux counts in KiB, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _peak_of_gpu() -> str:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return ""
    return f", of the GPU {_bytes(torch.cuda.max_memory_allocated())}"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.4g} {unit}"
        count /= 1000
    return f"{count:.4g} GB"
