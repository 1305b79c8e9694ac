"""How far long work has got: a bar on a terminal, plain lines now and then everywhere else and in the job's log."""

import io
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tqdm import tqdm

SECONDS = 30.0
"""A line is due after so long ..."""
SHARE = 0.1
"""... or after this share of the work, whichever comes first."""


class ProgressBar(tqdm):
    """A tqdm bar that is drawn on terminals only; logs and redirected output get a line now and then instead.

    Args:
        iterable: What to go through; without it, :meth:`update` counts.
        disable: Whether to show nothing at all, as for work within other work.
        clock: Seconds since some point.
        **settings: Of the bar, as for tqdm: ``desc``, ``unit``, ``total``, ``initial``, ``unit_scale``.
    """

    def __init__(
        self,
        iterable: Iterable[Any] | None = None,
        *,
        disable: bool = False,
        clock: Callable[[], float] = time.monotonic,
        **settings: Any,
    ) -> None:
        terminal = sys.stderr.isatty()
        # On a terminal the bar says it all, and lines are for the log that the job may have beside it.
        self._lines = getattr(sys.stderr, "log", None) if terminal else sys.stderr
        self._clock = clock
        self._begun = self._last = clock()
        super().__init__(iterable, file=sys.stderr if terminal else io.StringIO(), disable=disable, **settings)
        self._told = self._first = self.n

    def __iter__(self) -> Iterator[Any]:
        # tqdm's own loop counts without calling update().
        with self:
            for item in self.iterable:
                yield item
                self.update()

    def update(self, n: float | None = 1) -> bool | None:
        """Count work done, and write a line if one is due."""
        shown = super().update(n)
        if not self.disable and (self.total is None or self.n < self.total):
            enough = self.total is not None and self.n - self._told >= SHARE * self.total
            if enough or self._clock() - self._last >= SECONDS:
                self._tell()
        return shown

    def close(self) -> None:
        """Write where the work ended, and finish the bar."""
        if not self.disable and self.n > self._told:
            self._tell()
        super().close()

    def _tell(self) -> None:
        self._told, self._last = self.n, self._clock()
        if self._lines is None:
            return
        rate = (self.n - self._first) / max(self._last - self._begun, 1e-9)
        of_all = "" if self.total is None else f"/{self._number(self.total)}"
        parts = [f"{self._number(self.n)}{of_all} {self.unit}", f"{tqdm.format_sizeof(rate)} {self.unit}/s"]
        if self.total is not None and rate:
            parts.append(f"{(self.total - self.n) / rate:.0f} s left")
        parts += [str(self.postfix)] if self.postfix else []
        name = (self.desc or "").removesuffix(": ")
        print(time.strftime("%H:%M:%S"), f"{name} ", ", ".join(parts), file=self._lines, flush=True)

    def _number(self, count: float) -> str:
        return tqdm.format_sizeof(count) if self.unit_scale else str(count)
