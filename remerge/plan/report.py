"""The report page: what it shows of every pool and suite."""

from dataclasses import dataclass
from typing import Any

from remerge.config.models import Config
from remerge.plan.figures import Figures
from remerge.plan.images import Images
from remerge.plan.methods import Methods
from remerge.plan.pools import OVER_SEEDS, Pools
from remerge.plan.studies import Studies
from remerge.plan.tasks import Tasks


@dataclass(frozen=True)
class Report:
    """The report page of a configuration."""

    config: Config
    pools: Pools
    tasks: Tasks
    images: Images
    methods: Methods
    studies: Studies
    figures: Figures

    def sections(self) -> list[dict[str, Any]]:
        """Return what the page shows of every pool and suite, and the files that hold it."""
        return [self.section(pool, suite) for pool in self.config.pools for suite in self.config.suites]

    def section(self, pool: str, suite: str) -> dict[str, Any]:
        """Return what the page shows of one pool and suite."""
        studies = {name: self.studies.caption(name) for name in self.studies.of_suite(suite)}
        captions = {name: self.figures.caption(name) for name in self.figures.of_suite(pool, suite)} | studies
        return {
            "pool": pool,
            "suite": suite,
            "tasks": self.tasks.in_suite(suite),
            "about": self._about(pool, suite),
            "tables": {name: f"results/{pool}/tables/{suite}/{name}.md" for name in self._tables(pool, suite)},
            "figures": {
                name: (caption, f"results/{pool}/figures/{suite}/{name}.svg") for name, caption in captions.items()
            },
            "flags": self.images.audit(pool),
        }

    def _about(self, pool: str, suite: str) -> list[str]:
        described = self.config.pools[pool]
        seeds = self.pools.families().get(pool, {})
        tasks = ", ".join(f"{task} ({origin} images)" for task, origin in self.tasks.origins(suite).items())
        return [
            f"Encoder: CLIP {described.architecture}, checkpoints {described.origin}, seed {described.seed}.",
            *([f"Tables over seeds: pools {', '.join(seeds)}, which differ in nothing but the seed."] if seeds else []),
            f"Tasks: {tasks}.",
            f"Methods: {', '.join(method.label for method in self.methods.of_pool(pool).values())}.",
        ]

    def _tables(self, pool: str, suite: str) -> list[str]:
        has_seeds = pool in self.pools.families()
        main, fidelity, regime, claims = (
            [f"{table}{OVER_SEEDS}", table] if has_seeds else [table]
            for table in ("main", "fidelity", "regime", "claims")
        )
        comparison = ["comparison"] if pool in self.pools.from_openai() else []
        comparison += [*fidelity, *regime] if pool in self.pools.small() else []
        experts = ["experts"] if self.config.cross_scores else []
        return [*main, "leaderboard", *comparison, *claims, *self.studies.of_suite(suite), *experts, "cost"]

    def files(self) -> dict[str, list[str]]:
        """Return what the page is made from, by kind."""
        sections = self.sections()
        return {
            "tables": [path for section in sections for path in section["tables"].values()],
            "figures": [path for section in sections for _, path in section["figures"].values()],
            "audits": list(dict.fromkeys(section["flags"] for section in sections)),
        }
