"""A method of the configuration, applied to some task vectors and, where it learns, to some images."""

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remerge.checkpoints.weights import Weights
from remerge.merging import registry
from remerge.merging.streaming import merged_by
from remerge.scoring.bench import Bench, Variant
from remerge.studies.kind import LEARNING

NOT_MERGING = {"algorithm", "label", "scaling"}


@dataclass(frozen=True)
class Merging:
    """The methods of a configuration, and what they learn with.

    Attributes:
        methods: By name, algorithm and parameters; scalings are fixed.
        bench: Encoder, pre-trained weights, heads and, for AdaMerging, unlabeled test images.
        seed: Of AdaMerging's draws.
        frozen: See :func:`remerge.merging.ties.trim_thresholds`.
    """

    methods: Mapping[str, Mapping[str, Any]]
    bench: Bench
    seed: int
    frozen: int

    def learns(self, name: str) -> bool:
        """Say whether a method looks at images."""
        return self.methods[name]["algorithm"] == "adamerging"

    def by(self, name: str, task_vectors: Mapping[str, Weights]) -> Variant:
        """Merge task vectors, by task, by a method; AdaMerging looks at images of the merged tasks and no others."""
        method = self.methods[name]
        vectors: Sequence[Weights] = list(task_vectors.values())
        if self.learns(name):
            return Variant({"method": name}, self._learned(method, task_vectors), 1.0)
        parameters = {key: value for key, value in method.items() if key not in NOT_MERGING}
        if "keep" in parameters:
            parameters["frozen"] = self.frozen
        rule = registry.load(method["algorithm"]).rule(vectors, **parameters)
        return Variant({"method": name}, merged_by(rule, vectors), method.get("scaling", 1.0))

    def variants(
        self, methods: Sequence[str], task_vectors: Mapping[str, Weights], tasks: Sequence[str] | None = None
    ) -> Iterator[Variant]:
        """Yield the merge of task vectors, by task, by each of some methods.

        Args:
            methods: Their names; one that learns is left out if no merged task has images.
            task_vectors: By task.
            tasks: The tasks to be scored on; all when None.
        """
        for name in methods:
            if self.learns(name) and not any(task in self.bench.tasks for task in task_vectors):
                print(f"{name}: left out: no images of {', '.join(task_vectors)} to learn from", file=sys.stderr)
                continue
            merged = self.by(name, task_vectors)
            columns = {**merged.columns, "merged": "+".join(task_vectors)}
            yield Variant(columns, merged.task_vector, merged.scaling, tasks)

    def _learned(self, method: Mapping[str, Any], task_vectors: Mapping[str, Weights]) -> Weights:
        # Only where it is wanted, so that a study without AdaMerging does not run again when that changes.
        module: Any = importlib.import_module(LEARNING)
        learned: Weights = module.learned(self.bench, method, task_vectors, seed=self.seed, frozen=self.frozen)
        return learned
