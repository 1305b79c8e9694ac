"""From what the configuration says of a study to its variants."""

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from remerge.checkpoints.weights import Weights
from remerge.scoring.bench import Variant
from remerge.studies.modules import MODULES

if TYPE_CHECKING:
    from remerge.studies.methods import Merging


def variants(study: Mapping[str, Any], task_vectors: Mapping[str, Weights], merging: "Merging") -> Iterator[Variant]:
    """Yield the variants of one part of a study.

    Task vectors of tasks without images are merged like the others; a variant that no image could say anything of is
    not made.

    Args:
        study: What one of its parts depends on, as :meth:`remerge.config.models.Study.settings_of` has it.
        task_vectors: By task, of those tasks of the suite that have an expert.
        merging: The methods of the configuration, and the images.
    """
    vectors = list(task_vectors.values())
    scored = {task: vector for task, vector in task_vectors.items() if task in merging.bench.tasks}
    kind = study["kind"]
    # Only the kind's own, so that a study does not run again when another kind's changes.
    module: Any = importlib.import_module(MODULES[kind])
    if kind == "generalisation":
        seen = {task: vector for task, vector in task_vectors.items() if task not in study["unseen"]}
        yield from _by_methods(study["methods"], seen, merging, tasks=None)
    elif kind == "robustness":
        chosen = {task: task_vectors[task] for task in study["tasks"] if task in task_vectors}
        yield from _by_methods(study["methods"], chosen, merging, tasks=study["tasks"])
    elif kind == "task_counts":
        drawn = module.subsets(list(task_vectors), study["counts"], study["subsets"], study["seed"])
        for subset in (tasks for tasks in drawn if len(tasks) == study["counts"][-1]):
            if any(task in scored for task in subset):
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
        yield from module.redundancy(scored, study["keep"])
    elif kind == "pairs":
        yield from module.pairs(scored, study["scaling"])
    elif kind == "negation":
        controls = module.controls(merging.bench.tasks)
        forgotten = {task: vector for task, vector in scored.items() if task in controls}
        yield from module.negation(forgotten, controls, study["scalings"])


def _by_methods(
    methods: Sequence[str], task_vectors: Mapping[str, Weights], merging: "Merging", tasks: Sequence[str] | None
) -> Iterator[Variant]:
    for name in methods:
        if merging.learns(name) and not any(task in merging.bench.tasks for task in task_vectors):
            print(f"{name}: left out: no images of {', '.join(task_vectors)} to learn from", file=sys.stderr)
            continue
        merged = merging.by(name, task_vectors)
        columns = {**merged.columns, "merged": "+".join(task_vectors)}
        yield Variant(columns, merged.task_vector, merged.scaling, tasks)
