"""A job's messages go to its log file and, as they come, to the terminal."""

import sys
from pathlib import Path
from typing import TextIO


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
    sys.stderr = _Tee(sys.stderr, log)
