"""Progress of long work: a bar on a terminal, and occasional plain lines elsewhere and in the job's log."""

import io
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tqdm import tqdm

SECONDS = 30.0
"""A line is due after this many seconds ..."""
SHARE = 0.1
"""... or after this share of the work, whichever comes first."""

_open: list["ProgressBar"] = []


class ProgressBar(tqdm):
    """A tqdm bar that is drawn on terminals only; logs and redirected output get an occasional line instead.

    Args:
        iterable: What to iterate over; without it, :meth:`update` counts.
        disable: Whether to show nothing at all, as for nested work.
        clock: Returns seconds since some fixed point.
        **settings: Arguments of tqdm: ``desc``, ``unit``, ``total``, ``initial``, ``unit_scale``.
    """

    def __init__(
        self,
        iterable: Iterable[Any] | None = None,
        *,
        disable: bool = False,
        clock: Callable[[], float] = time.monotonic,
        **settings: Any,
    ) -> None:
        self.on_terminal = sys.stderr.isatty()
        # On a terminal the bar is enough; lines go to the job's log, if it has one.
        self._lines = getattr(sys.stderr, "log", None) if self.on_terminal else sys.stderr
        self._clock = clock
        self._begun = self._last = self._moved = clock()
        file = sys.stderr if self.on_terminal else io.StringIO()
        super().__init__(iterable, file=file, disable=disable, **settings)
        self._told = self._first = self.n
        if not disable:
            _open.append(self)

    def __iter__(self) -> Iterator[Any]:
        # tqdm's own loop counts without calling update().
        with self:
            for item in self.iterable:
                yield item
                self.update()

    def update(self, n: float | None = 1) -> bool | None:
        """Count finished work, and write a line if one is due."""
        shown = super().update(n)
        self._moved = self._clock()
        if not self.disable and (self.total is None or self.n < self.total):
            enough = self.total is not None and self.n - self._told >= SHARE * self.total
            if enough or self._moved - self._last >= SECONDS:
                self._tell()
        return shown

    def close(self) -> None:
        """Write a last line, and close the bar."""
        if not self.disable and self.n > self._told:
            self._tell()
        # By identity: tqdm considers bars at the same position equal.
        _open[:] = [bar for bar in _open if bar is not self]
        super().close()

    def standing(self) -> str:
        """Return how far the work has got and how long the current item has taken; postpone the bar's next line."""
        self._last = self._clock()
        return f"{self._line()}; {duration(self._last - self._moved)} into the next {self.unit}"

    def _tell(self) -> None:
        self._told, self._last = self.n, self._clock()
        if self._lines is not None:
            self._lines.write(f"{time.strftime('%H:%M:%S')} {self._line()}\n")
            self._lines.flush()

    def _line(self) -> str:
        seconds = self._clock() - self._begun
        done = self.n - self._first
        of_all = "" if self.total is None else f"/{self._number(self.total)}"
        parts = [f"{self._number(self.n)}{of_all} {self.unit}"]
        if done:
            rate = done / max(seconds, 1e-9)
            parts.append(f"{tqdm.format_sizeof(rate)} {self.unit}/s" if rate >= 1 else f"{1 / rate:.3g} s/{self.unit}")
            if self.total is not None:
                parts.append(f"{duration((self.total - self.n) / rate)} left")
        parts += [str(self.postfix)] if self.postfix else []
        return f"{(self.desc or '').removesuffix(': ')}  {', '.join(parts)}"

    def _number(self, count: float) -> str:
        return tqdm.format_sizeof(count) if self.unit_scale else str(count)


def standing() -> str:
    """Return how far the innermost counted work has got; empty if there is none."""
    # The heartbeat's thread calls this while work goes on, so a bar may close at any moment.
    return next((bar.standing() for bar in _open[-1:]), "")


def bar_is_drawn() -> bool:
    """Whether a bar is on the terminal, which a line would break up."""
    return any(bar.on_terminal for bar in _open)


def duration(seconds: float) -> str:
    """Return a duration in a readable unit: ``45 s``, ``12 min``, ``3.4 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"
