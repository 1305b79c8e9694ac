"""Texts: their files."""

from collections.abc import Iterable
from dataclasses import dataclass

from remerge.plan.pools import Pools
from remerge.plan.tasks import SPLITS, Tasks

AUDIT_OF_TEXTS = "results/texts/audit.csv"
"""The table of texts that are in two splits of a task."""


@dataclass(frozen=True)
class Texts:
    """The texts of a configuration's tasks."""

    pools: Pools
    tasks: Tasks

    def of_task(self, task: str, split: str) -> list[str]:
        """Return the texts of one split of a task."""
        return _files([task], split)

    def of_suite(self, suite: str, split: str) -> list[str]:
        """Return the texts of one split of every task of a suite."""
        return _files(self.tasks.in_suite(suite), split)

    def up_to(self, task: str, split: str) -> list[str]:
        """Return the texts of one split of a task and those before it."""
        return _files(self.tasks.up_to(task), split)

    def tokeniser(self, pool: str) -> str | list[str]:
        """Return the tokeniser of a pool's models, if it is a file."""
        return f"results/{pool}/weights/tokenizer.json" if pool in self.pools.downloaded() else []

    def hashes(self) -> list[str]:
        """Return the hashes of the texts of every split of the tasks that some suite uses."""
        return [f"results/texts/{task}/{split}.hashes.txt" for task in self.tasks.used() for split in SPLITS]


def _files(tasks: Iterable[str], split: str) -> list[str]:
    return [f"results/texts/{task}/{split}.csv" for task in tasks]
