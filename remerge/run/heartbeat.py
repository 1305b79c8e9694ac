"""Heartbeat of a silent job: it reports that it is alive, what it is doing, and how many processors it uses."""

import atexit
import threading
import time
from collections.abc import Callable

SECONDS = 30.0
"""Seconds of silence after which a job reports that it is alive."""


class Heartbeat:
    """A thread that reports whenever the job has been silent for a while, until it is stopped or the process ends."""

    def __init__(
        self,
        heard: Callable[[], float],
        say: Callable[[float], None],
        *,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the thread.

        Args:
            heard: Returns the time of the last message, by ``clock``.
            say: Called with the number of processors that this process has kept busy since the last call.
            seconds: Longest silence.
            clock: Returns seconds since some fixed point.
        """
        self._heard, self._say, self._seconds, self._clock = heard, say, seconds, clock
        self._ended = threading.Event()
        self._beaten, self._worked = clock(), time.process_time()
        # A job that fails must end, whatever this thread is doing.
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()
        # At exit the interpreter stops it anywhere; it must not hold the terminal's lock then, which flushing needs.
        atexit.register(self.stop)

    def stop(self) -> None:
        """Stop reporting."""
        atexit.unregister(self.stop)
        self._ended.set()
        self._thread.join(timeout=1)

    def beat(self) -> float:
        """Report if it is time, and return the seconds until the next check."""
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
