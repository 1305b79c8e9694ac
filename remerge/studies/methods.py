"""Methods of the configuration, applied to some task vectors and, for methods that learn, to some images."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remerge.checkpoints.headers import SEPARATOR
from remerge.checkpoints.weights import Weights
from remerge.merging.streaming import merged_by
from remerge.methods import load
from remerge.methods.parameters import Method, method_of
from remerge.scoring.bench import Bench, Variant


@dataclass(frozen=True)
class Merging:
    """The methods of a configuration, and what they need to learn.

    Attributes:
        methods: Algorithm and parameters by name; scalings are fixed.
        bench: Encoder, pre-trained weights, heads and, for methods that learn, unlabeled test images.
        seed: Seed of the sampling of images.
        frozen_entries: See :func:`remerge.merging.ties.trim_thresholds`.
        folder: Where task vectors that a method changes before it learns are kept, rather than in memory.
    """

    methods: Mapping[str, Mapping[str, Any]]
    bench: Bench
    seed: int
    frozen_entries: int
    folder: str | Path | None = None

    def learns(self, name: str) -> bool:
        """Return whether a method learns from images."""
        return self._method(name).learns

    def by(self, name: str, task_vectors: Mapping[str, Weights]) -> Variant:
        """Merge task vectors, given by task; a method that learns sees images of the merged tasks only."""
        method, vectors = self._method(name), list(task_vectors.values())
        module, parameters = load(method.algorithm), method.merging_parameters(self.frozen_entries)
        if not method.learns:
            merged = merged_by(module.merge_rule(vectors, **parameters), vectors)
            return Variant({"method": name}, merged, getattr(method, "scaling", 1.0))
        vectors = module.preprocess(vectors, **parameters, folder=self.folder)
        learning = method.learning_parameters()
        coefficients = module.learn(
            dict(zip(task_vectors, vectors, strict=True)),
            self.bench.encoder,
            self.bench.pretrained,
            self.bench.heads,
            self.bench.images["test"],
            seed=self.seed,
            device=self.bench.device,
            record_every=learning["steps"],
            **learning,
        )
        return Variant({"method": name}, module.merge(vectors, coefficients), 1.0)

    def variants(
        self, methods: Sequence[str], task_vectors: Mapping[str, Weights], tasks: Sequence[str] | None = None
    ) -> Iterator[Variant]:
        """Yield the merge of some task vectors by each of some methods.

        Args:
            methods: Names of methods; one that learns is skipped if no merged task has images.
            task_vectors: By task.
            tasks: The tasks to score on; all if None.
        """
        for name in methods:
            if self.learns(name) and not any(task in self.bench.tasks for task in task_vectors):
                print(f"{name}: left out: no images of {', '.join(task_vectors)} to learn from", file=sys.stderr)
                continue
            merged = self.by(name, task_vectors)
            columns = {**merged.columns, "merged": SEPARATOR.join(task_vectors)}
            yield Variant(columns, merged.task_vector, merged.scaling, tasks)

    def _method(self, name: str) -> Method:
        return method_of(self.methods[name])
