"""A method of the configuration, applied to some task vectors and, where it learns, to some images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remerge.checkpoints.weights import Weights
from remerge.merging.streaming import merged_by
from remerge.methods import load
from remerge.scoring.bench import Bench, Variant


@dataclass(frozen=True)
class Merging:
    """The methods of a configuration, and what they learn with.

    Attributes:
        methods: By name, as plain values: ``algorithm``, its ``kind``, a fixed ``scaling``, parameters for ``merging``
            and, of a method that learns, for ``learning``.
        bench: Encoder, pre-trained weights, heads and, for methods that learn, unlabeled test images.
        seed: Of the draws of images.
        frozen_entries: See :func:`remerge.merging.ties.trim_thresholds`.
    """

    methods: Mapping[str, Mapping[str, Any]]
    bench: Bench
    seed: int
    frozen_entries: int

    def learns(self, name: str) -> bool:
        """Say whether a method looks at images."""
        return bool(self.methods[name]["kind"] == "learned")

    def by(self, name: str, task_vectors: Mapping[str, Weights]) -> Variant:
        """Merge task vectors, by task; a method that learns looks at images of the merged tasks and no others."""
        method, vectors = self.methods[name], list(task_vectors.values())
        module = load(method["algorithm"])
        if self.learns(name):
            return Variant({"method": name}, self._learned(module, method, task_vectors), 1.0)
        rule = module.merge_rule(vectors, **method["merging"])
        return Variant({"method": name}, merged_by(rule, vectors), method["scaling"])

    def _learned(self, module: Any, method: Mapping[str, Any], task_vectors: Mapping[str, Weights]) -> Weights:
        vectors = module.preprocess(list(task_vectors.values()), **method["merging"])
        learned = module.learn(
            dict(zip(task_vectors, vectors, strict=True)),
            self.bench.encoder,
            self.bench.pretrained,
            self.bench.heads,
            self.bench.images["test"],
            seed=self.seed,
            device=self.bench.device,
            record_every=method["learning"]["steps"],
            **method["learning"],
        )
        merged: Weights = module.merge(vectors, learned)
        return merged
