"""Figures: their inputs, and which ones can be drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from remerge.config.models import Config
from remerge.errors import RemergeError
from remerge.figures.registry import FIGURES
from remerge.plan.images import Images
from remerge.plan.merging import Merging
from remerge.plan.methods import Methods
from remerge.plan.pools import OVER_SEEDS, Pools
from remerge.plan.scores import Scores
from remerge.plan.tasks import Tasks

SHOWS_ALL = frozenset(["scores", "suites", "fidelity", "fidelity_over_seeds"])
"""What tells of every method, where other evidence tells of those that learn coefficients."""
DRAWN_BY = Path(__file__).parent.parent / "figures"


@dataclass(frozen=True)
class Figures:
    """The figures of a configuration.

    Attributes:
        published: The folder with the published numbers.
    """

    config: Config
    pools: Pools
    tasks: Tasks
    images: Images
    methods: Methods
    merging: Merging
    scores: Scores
    published: str

    @cached_property
    def sources(self) -> dict[str, Callable[[str, str], list[str]]]:
        """What returns the files behind each name that an entry of the registry may need, for a pool and suite.

        An empty list where there is none of it.
        """
        return {
            "images": self._images,
            "scores": self.scores.of_suite,
            "experts": self.scores.of_individual,
            "sweeps": self.scores.sweeps,
            "text_sweeps": self._text_sweeps,
            "records": self.merging.records,
            "published_curves": lambda pool, suite: [f"{self.published}/curves.csv"],
            "published_methods": lambda pool, suite: [f"{self.published}/methods.yaml"],
            "trajectories": self.scores.trajectories,
            "taskwise_coefficients": lambda pool, suite: self.merging.learned_coefficients(pool, suite, "task"),
            "layerwise_coefficients": lambda pool, suite: self.merging.learned_coefficients(pool, suite, "layer"),
            "cosine": lambda pool, suite: [_table(pool, suite, "cosine")],
            "conflicts": self._conflicts,
            "entropy": self._entropy,
            "suites": self._suites,
            "fidelity": lambda pool, suite: self._fidelity(pool, suite, ""),
            "fidelity_over_seeds": lambda pool, suite: self._fidelity(pool, suite, OVER_SEEDS),
        }

    def _conflicts(self, pool: str, suite: str) -> list[str]:
        return [_table(pool, suite, "conflicts")] if len(self.tasks.in_suite(suite)) > 1 else []

    def _images(self, pool: str, suite: str) -> list[str]:
        return self.images.of_suite(pool, suite, "test") if self.pools.reads(pool) == "images" else []

    def _text_sweeps(self, pool: str, suite: str) -> list[str]:
        return self.scores.sweeps(pool, suite) if self.pools.reads(pool) == "texts" else []

    def _entropy(self, pool: str, suite: str) -> list[str]:
        reads_images = self.pools.reads(pool) == "images"
        return [_table(pool, suite, "entropy")] if reads_images and self.methods.plain_task_arithmetic() else []

    def _suites(self, pool: str, suite: str) -> list[str]:
        return [_table(pool, suite, "suites")] if len(self.tasks.nested(suite)) > 1 else []

    def _fidelity(self, pool: str, suite: str, over: str) -> list[str]:
        """A table of averages beside published ones, and that of the correlation."""
        if (over and pool not in self.pools.families()) or not self.pools.compared_with_clip(pool, suite):
            return []
        return [_table(pool, suite, f"{name}{over}") for name in ("fidelity", "correlation")]

    def check(self) -> None:
        """Check that every entry of the registry can be drawn.

        Raises:
            RemergeError: An entry needs what there is no name for, or no module draws it.
        """
        for figure, entry in FIGURES.items():
            if unknown := sorted(set(entry.needs) - set(self.sources)):
                raise RemergeError(
                    f"remerge/figures/registry.py: {figure}: needs: unknown {unknown[0]!r}; "
                    f"known: {', '.join(self.sources)}"
                )
            if not (DRAWN_BY / f"{figure}.py").is_file():
                raise RemergeError(
                    f"remerge/figures/registry.py: {figure}: remerge/figures/{figure}.py, which is to draw it, is not "
                    "there"
                )

    def evidence(self, pool: str, suite: str, figure: str) -> dict[str, list[str]]:
        """Return what a figure is drawn from, by name."""
        return {need: self.sources[need](pool, suite) for need in FIGURES[figure].needs}

    def of_suite(self, pool: str, suite: str) -> list[str]:
        """Return the figures of a suite of this many tasks for which a pool has all that they are drawn from."""
        count = len(self.tasks.in_suite(suite))
        return [
            name
            for name, figure in FIGURES.items()
            if count in figure.tasks and all(self.evidence(pool, suite, name).values())
        ]

    def files(self) -> list[str]:
        """Return every figure of every pool and suite."""
        return [
            f"results/{pool}/figures/{suite}/{figure}.{suffix}"
            for pool in self.config.pools
            for suite in self.config.suites
            for figure in self.of_suite(pool, suite)
            for suffix in ("svg", "png")
        ]

    def methods_shown(self, pool: str, figure: str) -> dict[str, dict[str, Any]]:
        """Return what a figure says of methods, hidden ones included, so that each looks the same in every figure."""
        entry = FIGURES[figure]
        if not entry.tells_methods:
            return {}
        if {"sweeps", "text_sweeps"}.intersection(entry.needs):
            # Methods that differ in nothing but their scaling share a curve.
            return self.methods.described_with_looks(pool)
        shows_all = SHOWS_ALL.intersection(entry.needs)
        return self.methods.looks(self.methods.names(pool) if shows_all else self.methods.learning())

    def modules(self, figure: str) -> list[str]:
        """Return the library file that draws a figure."""
        return [f"remerge/figures/{figure}.py"]

    def caption(self, pool: str, figure: str) -> str:
        """Return what to see in a figure."""
        return FIGURES[figure].caption.format(reads=self.pools.reads(pool))


def _table(pool: str, suite: str, name: str) -> str:
    return f"results/{pool}/tables/{suite}/{name}.csv"
