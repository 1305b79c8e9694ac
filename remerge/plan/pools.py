"""Pools by kind, and pools that differ only in the seed."""

from collections.abc import Callable
from dataclasses import dataclass

from remerge.config.models import Config, Pool
from remerge.methods.measured import PUBLISHED_TASKS

OVER_SEEDS = "_over_seeds"
"""What the names of tables and figures over the seeds of a family end with."""


@dataclass(frozen=True)
class Pools:
    """The pools of a configuration."""

    config: Config

    def of_origin(self, *origins: str) -> list[str]:
        """Return the pools whose checkpoints have one of these origins."""
        return [name for name, pool in self.config.pools.items() if pool.origin in origins]

    def downloaded(self) -> list[str]:
        """Return the pools whose pre-trained model is downloaded."""
        return [name for name, pool in self.config.pools.items() if pool.is_downloaded]

    def small(self) -> list[str]:
        """Return the pools whose image encoder is small and trained here, to stand for a larger one."""
        return [name for name in self.of_origin("trained") if self.reads(name) == "images"]

    def compared_with_clip(self, pool: str, suite: str) -> bool:
        """Return whether a suite of a small pool is compared with the averages published for ViT-B/32.

        Those are of eight tasks; more tasks than that interfere more.
        """
        return pool in self.small() and len(self.config.suites[suite]) <= PUBLISHED_TASKS

    def trained(self, on: str = "images") -> list[str]:
        """Return the pools whose experts are fine-tuned on ``images``, or ``texts``, here."""
        return [name for name in self.reading(on) if self.config.pools[name].is_trained]

    def reading(self, what: str) -> list[str]:
        """Return the pools whose models read ``images`` or ``texts``."""
        return [name for name in self.config.pools if self.reads(name) == what]

    def reads(self, pool: str) -> str:
        """Return whether a pool's models read ``images`` or ``texts``."""
        return self.config.pools[pool].reads

    def architecture(self, pool: str) -> str:
        """Return the name of a pool's architecture."""
        return self.config.pools[pool].architecture

    def origin(self, pool: str) -> str:
        """Return where a pool's checkpoints come from."""
        return self.config.pools[pool].origin

    def seed(self, pool: str) -> int:
        """Return the seed of a pool's training, draws and adaptation."""
        return self.config.pools[pool].seed

    def frozen_entries(self, pool: str) -> int:
        """Return how many parameters the checkpoints' authors flatten along with the image encoder."""
        return self.config.pools[pool].frozen_entries

    def holds_out(self, pool: str) -> bool:
        """Return whether no expert of a pool was trained on the validation images."""
        return self.config.pools[pool].holds_out

    def seeded(self, pool: str) -> str:
        """Return what the seed changes, in words."""
        return self.config.pools[pool].seeded

    def families(self) -> dict[str, dict[str, int]]:
        """Return the pools that differ in nothing but the seed, with their seeds, by the name of the first.

        Of pools that do not differ at all only the first counts; a pool without others has no entry.
        """
        families: dict[Pool, dict[int, str]] = {}
        for name, pool in self.config.pools.items():
            families.setdefault(pool.model_copy(update={"seed": 0}), {}).setdefault(pool.seed, name)
        return {
            next(iter(members.values())): {name: seed for seed, name in sorted(members.items())}
            for members in families.values()
            if len(members) > 1
        }

    def seeds(self, pool: str) -> dict[str, int]:
        """Return the pools of the family that a pool is the first of, with their seeds."""
        return self.families()[pool]

    def joined(self, pool: str, over: str) -> dict[str, int]:
        """Return the pools, with their seeds, that a table is of: one, or all of a family.

        Args:
            pool: The pool, or the first pool of the family.
            over: ``_over_seeds`` if the table is over seeds, else empty.
        """
        return self.seeds(pool) if over else {pool: self.seed(pool)}

    def over_seeds(
        self, pool: str, suite: str, files: Callable[[str, str], list[str]], over: str = OVER_SEEDS
    ) -> list[str]:
        """Return a suite's files of every pool that a table is of, pool after pool.

        Args:
            pool: As for :meth:`joined`.
            suite: The suite.
            files: Returns the files of one pool and suite.
            over: As for :meth:`joined`.
        """
        return [file for each in self.joined(pool, over) for file in files(each, suite)]
