"""A method of the configuration, applied to some task vectors and, where it learns, to some images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remerge.adaptation import adaptation_batches
from remerge.merging import registry
from remerge.merging.adamerging import learn_coefficients
from remerge.merging.coefficients import merge_by
from remerge.merging.streaming import merged_by
from remerge.merging.ties import trimmed_and_elected
from remerge.studies.variants import Bench, Variant
from remerge.weights import Weights

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

    def by(self, name: str, task_vectors: Mapping[str, Weights]) -> Variant:
        """Merge task vectors, by task, by a method; AdaMerging looks at images of the merged tasks and no others."""
        method = self.methods[name]
        vectors: Sequence[Weights] = list(task_vectors.values())
        if method["algorithm"] == "adamerging":
            return Variant({"method": name}, self._learned(method, list(task_vectors), vectors), 1.0)
        parameters = {key: value for key, value in method.items() if key not in NOT_MERGING}
        if "keep" in parameters:
            parameters["frozen"] = self.frozen
        rule = registry.load(method["algorithm"]).rule(vectors, **parameters)
        return Variant({"method": name}, merged_by(rule, vectors), method.get("scaling", 1.0))

    def _learned(self, method: Mapping[str, Any], tasks: list[str], vectors: Sequence[Weights]) -> Weights:
        if method["keep"] is not None:
            vectors = trimmed_and_elected(vectors, method["keep"], method["scope"], self.frozen)
        images = [self.bench.images["test"][task] for task in tasks]
        history = learn_coefficients(
            self.bench.encoder,
            [self.bench.heads[task] for task in tasks],
            self.bench.pretrained,
            vectors,
            adaptation_batches(images, batch_size=method["batch_size"], seed=self.seed),
            tasks=tasks,
            granularity=method["granularity"],
            steps=method["steps"],
            learning_rate=method["learning_rate"],
            initial=method["initial"],
            record_every=method["steps"],
            device=self.bench.device,
        )
        return merge_by(vectors, history.values[-1], history.layers)
