"""A job that has not been heard of for a while says that it lives, what it is at, and how hard it works."""

import atexit
import threading
import time
from collections.abc import Callable

SECONDS = 30.0
"""Silence after which a job says that it lives."""


class Heartbeat:
    """A thread that speaks whenever nothing has been heard for a while, until it is stopped or the process ends."""

    def __init__(
        self,
        heard: Callable[[], float],
        say: Callable[[float], None],
        *,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start it.

        Args:
            heard: When something was last heard, by ``clock``.
            say: Called with how many processors this process has kept busy since the last call.
            seconds: How long the silence may be.
            clock: Seconds since some point.
        """
        self._heard, self._say, self._seconds, self._clock = heard, say, seconds, clock
        self._ended = threading.Event()
        self._beaten, self._worked = clock(), time.process_time()
        # A job that fails must end, whatever this is at.
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()
        # Nor may it hold the terminal's lock when the interpreter, which then stops it anywhere, flushes the terminal.
        atexit.register(self.stop)

    def stop(self) -> None:
        """Say nothing more."""
        atexit.unregister(self.stop)
        self._ended.set()
        self._thread.join(timeout=1)

    def beat(self) -> float:
        """Speak if it is time, and return for how long there is nothing to do."""
        now = self._clock()
        silence = now - self._heard()
        if silence < self._seconds:
            return self._seconds - silence
        worked = time.process_time()
        busy = (worked - self._worked) / max(now - self._beaten, 1e-9)
        self._beaten, self._worked = now, worked
        self._say(busy)
        return self._seconds

    def _run(self) -> None:
        wait = self._seconds
        while not self._ended.wait(wait):
            wait = self.beat()
