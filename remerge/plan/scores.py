"""Scores: what encoders are scored by, and the files that hold their scores."""

from dataclasses import dataclass

from remerge.config.models import Config
from remerge.plan.methods import Methods
from remerge.plan.tasks import Tasks


@dataclass(frozen=True)
class Scores:
    """The scores of a configuration."""

    config: Config
    tasks: Tasks
    methods: Methods

    def heads(self, pool: str, suite: str) -> list[str]:
        """Return the zero-shot heads of a suite's tasks."""
        return heads(pool, self.tasks.in_suite(suite))

    def heads_up_to(self, pool: str, task: str) -> list[str]:
        """Return the zero-shot heads of a task and those before it."""
        return heads(pool, self.tasks.up_to(task))

    def experts_up_to(self, pool: str, task: str) -> list[str]:
        """Return the experts of a task and those before it."""
        return [f"results/{pool}/weights/{each}.safetensors" for each in self.tasks.up_to(task)]

    def experts(self, pool: str, suite: str) -> list[str]:
        """Return the experts of a suite's tasks."""
        return [f"results/{pool}/weights/{task}.safetensors" for task in self.tasks.in_suite(suite)]

    def of_suite(self, pool: str, suite: str) -> list[str]:
        """Return the scores of every method."""
        return self._of(pool, suite, self.methods.names(pool))

    def of_nested(self, pool: str, suite: str) -> list[str]:
        """Return the scores of every method on a suite and on those nested in it."""
        return [path for each in self.tasks.nested(suite) for path in self.of_suite(pool, each)]

    def of_pretrained(self, pool: str, suite: str) -> list[str]:
        """Return the scores of the pre-trained encoder, where it is among the methods."""
        return self._of(pool, suite, self.methods.of_algorithm("pretrained")[:1])

    def zero_shot(self, pool: str, suite: str) -> str:
        """Return the scores of the pre-trained encoder."""
        return self.of_pretrained(pool, suite)[0]

    def of_individual(self, pool: str, suite: str) -> list[str]:
        """Return the scores of the experts on their own tasks, where they are among the methods."""
        return self._of(pool, suite, self.methods.of_algorithm("individual")[:1])

    def _of(self, pool: str, suite: str, methods: list[str]) -> list[str]:
        return [f"results/{pool}/scores/{suite}/{method}.csv" for method in methods]

    def of_experts(self, pool: str, suite: str) -> list[str]:
        """Return the scores of a suite's experts on each other's tasks; each pair is in the later task's file."""
        return [f"results/{pool}/expert_scores/{task}.csv" for task in self.tasks.in_suite(suite)]

    def grid(self, method: str, split: str) -> list[float]:
        """Return the scalings of a sweep: those to choose from on validation images, the figure's on test images."""
        if split == "validation":
            return list(self.methods.parameters(method)["scaling"]["grid"])
        return self.config.figures.scalings

    def at_zero(self, pool: str, suite: str, split: str) -> list[str]:
        """Return the scores at the scaling zero, which are the pre-trained encoder's, if a sweep's grid has it."""
        return self.of_pretrained(pool, suite) if split == "test" and 0.0 in self.config.figures.scalings else []

    def at_last_step(self, pool: str, suite: str, method: str) -> list[str]:
        """Return the scores after AdaMerging's last step, which are the method's, if a trajectory has it."""
        has_last = self.methods.parameters(method)["steps"] % self.config.figures.every == 0
        return self._of(pool, suite, [method]) if has_last else []

    def swept(self, suite: str) -> list[str]:
        """Return the methods with a curve of accuracy against scaling, where a suite has curves."""
        return self.methods.swept() if self.config.has_curves(suite) else []

    def sweeps(self, pool: str, suite: str) -> list[str]:
        """Return the scores against the scaling, on test images."""
        return [f"results/{pool}/sweeps/{suite}/{method}/test.csv" for method in self.swept(suite)]

    def learned(self, suite: str) -> list[str]:
        """Return the methods with a curve of accuracy over AdaMerging's steps, where a suite has curves."""
        return self.methods.learning() if self.config.has_curves(suite) else []

    def trajectories(self, pool: str, suite: str) -> list[str]:
        """Return the scores of the encoders that AdaMerging passes through."""
        return [f"results/{pool}/trajectories/{suite}/{method}.csv" for method in self.learned(suite)]


def heads(pool: str, tasks: list[str]) -> list[str]:
    """Return the zero-shot heads of tasks."""
    return [f"results/{pool}/heads/{task}.safetensors" for task in tasks]
