"""Resources: the memory and time that jobs ask for."""

from collections.abc import Mapping
from dataclasses import dataclass

from remerge.config.models import Config

Needs = Mapping[str, list[int] | Mapping[str, list[int]]]
"""Megabytes and minutes of each kind of work, of every architecture alike or by architecture."""


@dataclass(frozen=True)
class Resources:
    """What jobs ask for.

    Attributes:
        config: The configuration.
        needs: The content of ``workflow/resources.yaml``.
    """

    config: Config
    needs: Needs

    def memory(self, work: str, attempt: int, pool: str | None = None) -> int:
        """Return the megabytes to ask for; more with every attempt.

        Args:
            work: A kind of work, as in ``workflow/resources.yaml``.
            attempt: Number of the attempt, from 1.
            pool: The pool that the work is done for, where it depends on the architecture.
        """
        return attempt * self._needed(work, pool)[0]

    def minutes(self, work: str, attempt: int, pool: str | None = None) -> int:
        """Return the minutes to ask for; more with every attempt. Arguments are those of :meth:`memory`."""
        return attempt * self._needed(work, pool)[1]

    def _needed(self, work: str, pool: str | None) -> list[int]:
        needed = self.needs[work]
        if isinstance(needed, list):
            return needed
        if pool is None:
            raise ValueError(f"{work} depends on the architecture of a pool")
        return needed[self.config.pools[pool].architecture]
