"""From what the configuration says of a study to its variants."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from remerge.studies.modules import MODULES
from remerge.studies.variants import Variant
from remerge.weights import Weights

if TYPE_CHECKING:
    from remerge.studies.methods import Merging


def variants(study: Mapping[str, Any], task_vectors: Mapping[str, Weights], merging: "Merging") -> Iterator[Variant]:
    """Yield the variants of one part of a study.

    Args:
        study: What one of its parts depends on, as :meth:`remerge.config.models.Study.settings_of` has it.
        task_vectors: Of the suite's tasks, by task.
        merging: The methods of the configuration.
    """
    vectors = list(task_vectors.values())
    kind = study["kind"]
    # Only the kind's own, so that a study does not run again when another kind's changes.
    module: Any = importlib.import_module(MODULES[kind])
    if kind == "generalisation":
        seen = {task: vector for task, vector in task_vectors.items() if task not in study["unseen"]}
        yield from _by_methods(study["methods"], seen, merging, tasks=None)
    elif kind == "robustness":
        chosen = {task: task_vectors[task] for task in study["tasks"]}
        yield from _by_methods(study["methods"], chosen, merging, tasks=study["tasks"])
    elif kind == "task_counts":
        drawn = module.subsets(list(task_vectors), study["counts"], study["subsets"], study["seed"])
        for subset in (tasks for tasks in drawn if len(tasks) == study["counts"][-1]):
            yield from _by_methods(
                study["methods"], {task: task_vectors[task] for task in subset}, merging, tasks=subset
            )
    elif kind == "ties_ablation":
        yield from module.ablation(vectors, keep=study["keep"], scaling=study["scaling"], frozen=merging.frozen)
    elif kind == "ties_density":
        yield from module.density(
            vectors, study["keep"], merge=study["merge"], scaling=study["scaling"], frozen=merging.frozen
        )
    elif kind == "redundancy":
        yield from module.redundancy(task_vectors, study["keep"])
    elif kind == "pairs":
        yield from module.pairs(task_vectors, study["scaling"])
    elif kind == "negation":
        controls = dict(zip(task_vectors, [*task_vectors][1:] + [*task_vectors][:1], strict=True))
        yield from module.negation(task_vectors, controls, study["scalings"])


def _by_methods(
    methods: Sequence[str], task_vectors: Mapping[str, Weights], merging: "Merging", tasks: Sequence[str] | None
) -> Iterator[Variant]:
    for name in methods:
        merged = merging.by(name, task_vectors)
        columns = {**merged.columns, "merged": "+".join(task_vectors)}
        yield Variant(columns, merged.task_vector, merged.scaling, tasks)
