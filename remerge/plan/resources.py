"""Resources: the memory and time that jobs ask for."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from remerge.config.models import Config

Needs = Mapping[str, list[int] | Mapping[str, list[int]]]
"""Megabytes and minutes of each kind of work, of every architecture alike or by architecture; then, for work that reads
all task vectors of a suite, the megabytes of one more."""
TASKS = 8
"""Number of tasks of the suites that these are for."""


@dataclass(frozen=True)
class Resources:
    """What jobs ask for.

    Attributes:
        config: The configuration.
        needs: The content of ``workflow/resources.yaml``.
    """

    config: Config
    needs: Needs

    def memory(
        self, work: str, attempt: int, pool: str | None = None, suite: str | None = None, study: str | None = None
    ) -> int:
        """Return the megabytes to ask for; more with every attempt, and for a suite of more than eight tasks.

        Args:
            work: A kind of work, as in ``workflow/resources.yaml``.
            attempt: Number of the attempt, from 1.
            pool: The pool that the work is done for, where it depends on the architecture.
            suite: The suite that the work is done for, if it is for one.
            study: The study that the work is done for, if it is for one.
        """
        megabytes, _, *of_one_more = self._needed(work, pool)
        return attempt * (megabytes + sum(of_one_more) * (self._tasks(suite, study) - TASKS))

    def minutes(
        self, work: str, attempt: int, pool: str | None = None, suite: str | None = None, study: str | None = None
    ) -> int:
        """Return the minutes to ask for; more with every attempt, and in proportion to the tasks beyond eight.

        Arguments are those of :meth:`memory`.
        """
        return attempt * math.ceil(self._needed(work, pool)[1] * self._tasks(suite, study) / TASKS)

    def _tasks(self, suite: str | None, study: str | None) -> int:
        """The number of tasks of a suite, or of a study's, but eight at least."""
        suite = self.config.studies[study].suite if study in self.config.studies else suite
        return max(TASKS, len(self.config.suites[suite])) if suite else TASKS

    def _needed(self, work: str, pool: str | None) -> list[int]:
        needed = self.needs[work]
        if isinstance(needed, list):
            return needed
        if pool is None:
            raise ValueError(f"{work} depends on the architecture of a pool")
        return needed[self.config.pools[pool].architecture]
