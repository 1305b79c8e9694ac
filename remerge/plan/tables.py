"""Tables: the benchmark files by which methods' cost is counted."""

from dataclasses import dataclass

from remerge.plan.methods import Methods
from remerge.plan.pools import OVER_SEEDS, Pools
from remerge.plan.tasks import Tasks


@dataclass(frozen=True)
class Tables:
    """The tables of a configuration."""

    pools: Pools
    tasks: Tasks
    methods: Methods

    def of_every_suite(self) -> list[str]:
        """Return the names of the tables that every pool and suite has."""
        experts = ["experts"] if self.pools.config.cross_scores else []
        return ["main", "leaderboard", *experts, "cosine", "claims", "cost"]

    def costs(self, pool: str, suite: str) -> list[tuple[str, str]]:
        """Return the benchmark files of the jobs that make a suite's merged encoders, each after its method."""
        jobs = f"benchmarks/jobs/{pool}"
        methods, tasks = self.methods, self.tasks.in_suite(suite)
        stages = {
            "merge_task_vectors": methods.of_kind("rule", "learned"),
            "merge_by_statistics": methods.of_kind("statistics"),
            "merge_with_exemplars": methods.of_kind("exemplars"),
            "merge": methods.merging(),
            "merge_into_parts": methods.of_kind("parts", "routers"),
            "learn_router": methods.of_kind("routers"),
            "learn_adapters": methods.of_kind("adapters"),
            "attach_adapters": methods.of_kind("adapters"),
            "learn_coefficients": methods.learning(),
        }
        made = [
            *((name, f"{jobs}/{stage}/{suite}/{name}.tsv") for stage, names in stages.items() for name in names),
            *((name, f"{jobs}/sweep/{suite}/{name}/validation.tsv") for name in methods.tuned()),
            # What a run that was cut off took.
            *((name, f"results/{pool}/costs/learn_coefficients/{suite}/{name}.tsv") for name in methods.learning()),
            *(
                (name, f"{jobs}/expert_statistics/{name}/{task}.tsv")
                for name in methods.of_kind("statistics")
                for task in tasks
            ),
            *((name, f"{jobs}/task_vector_svd/{task}.tsv") for name in methods.by_svds() for task in tasks),
        ]
        # An adapter needs the encoder that it adapts.
        adapted = [
            (name, path) for name in methods.of_kind("adapters") for own, path in made if own == methods.adapted(name)
        ]
        return made + adapted

    def cost_files(self, pool: str, suite: str) -> list[str]:
        """Return the benchmark files of the jobs that make a suite's merged encoders."""
        return [path for _, path in self.costs(pool, suite)]

    def methods_of_costs(self, pool: str, suite: str) -> list[str]:
        """Return the method that each of these jobs is for."""
        return [method for method, _ in self.costs(pool, suite)]

    def claims_of_seeds(self, pool: str, suite: str) -> list[str]:
        """Return the verdicts of every pool of a family."""
        return [f"results/{each}/tables/{suite}/claims.csv" for each in self.pools.seeds(pool)]

    def cosines(self, pool: str, suite: str, over: str) -> list[str]:
        """Return the cosines between task vectors of every pool that a table is of."""
        return [f"results/{each}/tables/{suite}/cosine.csv" for each in self.pools.joined(pool, over)]

    def suites(self) -> list[str]:
        """Return the tables of suites in which others are nested."""
        return [
            f"results/{pool}/tables/{suite}/suites.csv"
            for pool in self.pools.config.pools
            for suite in self.pools.config.suites
            if len(self.tasks.nested(suite)) > 1
        ]

    def fidelity(self) -> list[str]:
        """Return the tables that compare small pools, alone and over seeds, with ViT-B/32."""
        over = {pool: ["", OVER_SEEDS] if pool in self.pools.families() else [""] for pool in self.pools.small()}
        return [
            f"results/{pool}/tables/{suite}/{table}{each}.csv"
            for pool in over
            for suite in self.pools.config.suites
            if self.pools.compared_with_clip(pool, suite)
            for each in over[pool]
            for table in ("fidelity", "regime")
        ]
