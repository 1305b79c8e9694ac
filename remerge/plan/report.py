"""The report page: what it shows of every pool and suite."""

from dataclasses import dataclass
from typing import Any

from remerge.config.models import Config
from remerge.figures.registry import FIGURES
from remerge.plan.figures import Figures
from remerge.plan.images import Images
from remerge.plan.methods import Methods, library_file
from remerge.plan.pools import OVER_SEEDS, Pools
from remerge.plan.studies import Studies
from remerge.plan.tasks import Tasks
from remerge.studies.kind import module_of

WITH_LATEX = ("main", "leaderboard", "suites", "experts", "fidelity", f"fidelity{OVER_SEEDS}")
"""Tables, beside the studies', that are also made in LaTeX."""
SHOWN = ("sweeps", "trajectories", "cosine", "conflicts", "entropy", "fidelity", "fidelity_over_seeds")
"""Evidence of figures that the page reads, too."""


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
        captions = {name: self.figures.caption(pool, name) for name in self.figures.of_suite(pool, suite)} | studies
        return {
            "pool": pool,
            "suite": suite,
            "tasks": self.tasks.in_suite(suite),
            "about": self._about(pool, suite),
            "tables": {
                name: [f"results/{pool}/tables/{suite}/{name}.{suffix}" for suffix in self._formats(name)]
                for name in self._tables(pool, suite)
            },
            "figures": {
                name: (caption, f"results/{pool}/figures/{suite}/{name}.svg") for name, caption in captions.items()
            },
            "flags": self.images.audit(pool),
            "reads": self.pools.reads(pool),
            "methods": self._methods(pool),
            "studies": self.studies.kinds(suite),
            "evidence": {need: files for need, files in self._evidence(pool, suite).items() if files},
        }

    def _about(self, pool: str, suite: str) -> list[str]:
        described = self.config.pools[pool]
        seeds = self.pools.families().get(pool, {})
        tasks = ", ".join(f"{task} ({origin} {described.reads})" for task, origin in self.tasks.origins(suite).items())
        model = "Model: T5" if described.reads == "texts" else "Encoder: CLIP"
        return [
            f"{model} {described.architecture}, checkpoints {described.origin}, seed {described.seed}.",
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
        comparison = ["comparison"] if pool in self.pools.downloaded() else []
        comparison += [*fidelity, *regime] if self.pools.compared_with_clip(pool, suite) else []
        nested = ["suites"] if len(self.tasks.nested(suite)) > 1 else []
        experts = ["experts"] if self.config.cross_scores else []
        return [*main, *nested, "leaderboard", *comparison, *claims, *self.studies.of_suite(suite), *experts, "cost"]

    def _formats(self, table: str) -> list[str]:
        has_latex = table in WITH_LATEX or table in self.config.studies
        return ["md", "csv", *(["tex"] if has_latex else [])]

    def _methods(self, pool: str) -> dict[str, dict[str, Any]]:
        """Every method's label, algorithm, parameters, look and the data it looks at."""
        rows = self.methods.rows(pool)
        return {name: method | rows[name] for name, method in self.methods.described_with_looks(pool).items()}

    def _evidence(self, pool: str, suite: str) -> dict[str, list[str]]:
        """What the page reads beyond tables: the curves that readers can look into, and numbers behind figures."""
        needs = {need for name in self.figures.of_suite(pool, suite) for need in FIGURES[name].needs}
        return {need: self.figures.sources[need](pool, suite) for need in SHOWN if need in needs}

    def code(self) -> list[str]:
        """Return the library code that a script loads to sum up studies."""
        kinds = sorted({study.kind for study in self.config.studies.values()})
        return [f"{library_file(module_of(kind))}:{name}" for kind in kinds for name in ("QUESTION", "answer")]

    def files(self) -> dict[str, list[str]]:
        """Return what the page is made from, by kind."""
        sections = self.sections()
        return {
            "tables": [path for section in sections for paths in section["tables"].values() for path in paths],
            "figures": [path for section in sections for _, path in section["figures"].values()],
            "evidence": sorted(
                {path for section in sections for paths in section["evidence"].values() for path in paths}
            ),
            "audits": list(dict.fromkeys(section["flags"] for section in sections)),
        }
