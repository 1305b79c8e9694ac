"""Merging: the inputs and parameters of each merge."""

from dataclasses import dataclass
from typing import Any

from remerge.config.models import Config
from remerge.merging.assemblies import part_path
from remerge.plan.methods import Methods
from remerge.plan.tasks import Tasks


@dataclass(frozen=True)
class Merging:
    """The merged encoders of a configuration."""

    config: Config
    tasks: Tasks
    methods: Methods

    def task_vectors(self, pool: str, suite: str) -> list[str]:
        """Return the task vectors that a suite merges."""
        return task_vectors(pool, self.tasks.in_suite(suite))

    def statistics(self, pool: str, suite: str, method: str) -> list[str]:
        """Return the statistics of a suite's experts that a method merges by."""
        return [f"results/{pool}/statistics/{method}/{task}.safetensors" for task in self.tasks.in_suite(suite)]

    def svds(self, pool: str, suite: str, method: str) -> list[str]:
        """Return the decompositions of a suite's task vectors, if a method merges by them."""
        return svds(pool, self.tasks.in_suite(suite)) if method in self.methods.by_svds() else []

    def parameters(self, pool: str, method: str) -> dict[str, Any]:
        """Return the parameters that a merged task vector depends on."""
        return self.config.methods[method].merging_parameters(self.config.pools[pool].frozen_entries)

    def coefficients(self, pool: str, suite: str, method: str) -> str | list[str]:
        """Return the coefficients that a method merges by: learned in this run, or the file that is configured."""
        if method not in self.methods.of_kind("learned"):
            return []
        learned = f"results/{pool}/coefficients/{suite}/{method}.csv"
        return str(self.methods.parameters(method)["coefficients"] or learned)

    def validation_sweep(self, pool: str, suite: str, method: str) -> str | list[str]:
        """Return the scores that a tuned scaling is chosen by: on validation images, never on test images."""
        return f"results/{pool}/sweeps/{suite}/{method}/validation.csv" if method in self.methods.tuned() else []

    def gate(self, pool: str, suite: str) -> str | list[str]:
        """Return the verdict on zero-shot accuracy, for pools whose pre-trained model is downloaded."""
        gated = self.config.pools[pool].is_downloaded
        return f"results/{pool}/tables/{suite}/zero_shot_gate.csv" if gated else []

    def gate_of_task(self, pool: str, task: str) -> str | list[str]:
        """Return the verdict on the zero-shot accuracy of the first suite that has a task."""
        return self.gate(pool, self.tasks.first_suite(task))

    def encoder(self, pool: str, suite: str, method: str) -> str:
        """Return the encoder that a method is scored by."""
        if self.methods.algorithm(method) == "pretrained":
            return f"results/{pool}/weights/pretrained.safetensors"
        return f"results/{pool}/merged/{suite}/{method}.safetensors"

    def encoders(self, pool: str, suite: str) -> list[str]:
        """Return the merged results of a suite."""
        return [self.encoder(pool, suite, method) for method in self.methods.making()]

    def parts(self, pool: str, suite: str, method: str) -> list[str]:
        """Return the part of every task of a suite, for a method that keeps some."""
        if method not in self.methods.with_parts():
            return []
        return self.parts_beside(self.encoder(pool, suite, method), suite)

    def router(self, pool: str, suite: str, method: str) -> str | list[str]:
        """Return the router that a method learns between its parts."""
        return (
            f"results/{pool}/routers/{suite}/{method}.safetensors" if method in self.methods.of_kind("routers") else []
        )

    def adapted(self, pool: str, suite: str, method: str) -> str:
        """Return the encoder that a method adapts."""
        return self.encoder(pool, suite, self.methods.adapted(method))

    def all_parts(self, pool: str, suite: str) -> list[str]:
        """Return the parts of all merged results of a suite."""
        return [part for method in self.methods.with_parts() for part in self.parts(pool, suite, method)]

    def parts_beside(self, shared: str, suite: str) -> list[str]:
        """Return the part of every task of a suite that belongs to a shared file."""
        return [part_path(shared, task).as_posix() for task in self.tasks.in_suite(suite)]

    def records(self, pool: str, suite: str) -> list[str]:
        """Return how the encoders of methods with a scaling were merged."""
        return [f"results/{pool}/merged/{suite}/{method}.json" for method in self.methods.scaled()]

    def learned_coefficients(self, pool: str, suite: str, granularity: str | None = None) -> list[str]:
        """Return the coefficients that are learned in this run, of one granularity or of any."""
        return [f"results/{pool}/coefficients/{suite}/{method}.csv" for method in self.methods.learning(granularity)]

    def start_of_learning(self, pool: str, suite: str) -> str:
        """Return Task Arithmetic's encoder, which AdaMerging (nearly) starts from."""
        return self.encoder(pool, suite, self.methods.plain_task_arithmetic()[0])


def task_vectors(pool: str, tasks: list[str]) -> list[str]:
    """Return the task vectors of tasks."""
    return [f"results/{pool}/task_vectors/{task}.safetensors" for task in tasks]


def svds(pool: str, tasks: list[str]) -> list[str]:
    """Return the singular value decompositions of tasks' task vectors."""
    return [f"results/{pool}/svd/{task}.safetensors" for task in tasks]
