"""How much a configuration computes, counted in forward passes of one image or text; a backward pass counts as two."""

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from remerge.config.models import Config
from remerge.doctor.estimates import BACKWARD, MACS
from remerge.methods.parameters import Method
from remerge.plan.methods import Methods
from remerge.plan.tasks import Tasks
from remerge.studies.settings import Study
from remerge.tasks import MINI_TASKS, SIZES
from remerge.tasks.clip import CLIP_TASKS, clip_task
from remerge.tasks.glue import GLUE_TASKS, glue_task
from remerge.tasks.splits import AT_MOST

STEP = 1 + BACKWARD


def images(config: Config, task: str) -> dict[str, int]:
    """Return how many images or texts each split of a task has; in a user's folder, files are counted and not read."""
    if task in MINI_TASKS:
        return SIZES
    if task in GLUE_TASKS:
        return _split(**glue_task(task).sizes)
    if task in CLIP_TASKS:
        if config.source_of(task) == "none":
            return {"train": 0, "validation": 0, "test": 0}
        described, drawn = clip_task(task), config.images_of(task).test_images
        return _split(described.train, described.test if drawn is None else min(drawn, described.test))
    folder_task = config.tasks[task]
    counts = {split: sum(1 for _ in Path(folder_task.folder).glob(f"{split}/*/*")) for split in ("train", "test")}
    held_out = int(folder_task.validation * counts["train"])
    return {"train": counts["train"] - held_out, "validation": held_out, "test": counts["test"]}


def _split(train: int, test: int) -> dict[str, int]:
    """The sizes of the splits where validation is a tenth of training, but 5,000 at most."""
    held_out = min(AT_MOST, train // 10)
    return {"train": train - held_out, "validation": held_out, "test": test}


def operations(config: Config) -> tuple[float, float]:
    """Return the floating-point operations of all pools but mini's: for the main tables, and in all."""
    main = rest = 0.0
    for name, pool in config.pools.items():
        if not pool.is_small:
            main += 2 * MACS[pool.architecture] * _main(config, name)
            rest += 2 * MACS[pool.architecture] * _curves_and_studies(config)
    return main, main + rest


def _main(config: Config, pool: str) -> float:
    experts, training = Tasks(config).used(), config.training.finetuning
    passes: float = len(experts) * _count(config, experts)
    if config.pools[pool].origin == "finetuned":
        passes += len(experts) * STEP * training.steps * training.batch_size
    looking, joint = config.methods_of_kind("statistics", "exemplars"), config.methods_of_kind("joint")
    with_router = config.methods_of_kind("routers")
    for suite in config.suites.values():
        for name, method in Methods(config).of_pool(pool).items():
            if method.algorithm == "individual":
                continue
            passes += _count(config, suite) + _learning(method, len(suite))
            if method.is_tuned:
                passes += len(method.scaling.grid) * _count(config, suite, "validation")  # type: ignore[attr-defined]
            if name in looking:
                seen = sum(min(method.images, _count(config, [task], "validation")) for task in suite)  # type: ignore[attr-defined]
                passes += method.passes(len(suite)) * seen  # type: ignore[attr-defined]
            if method.adapts:
                # The adapted encoder and the expert see every image that is drawn, once.
                drawn = method.steps * method.batch_size  # type: ignore[attr-defined]
                passes += 2 * sum(min(drawn, _count(config, [task])) for task in suite)
            if name in with_router:
                passes += len(suite) * _of_router(method)
            if name in joint:
                passes += STEP * method.steps * training.batch_size  # type: ignore[attr-defined]
    return passes


def _curves_and_studies(config: Config) -> float:
    passes = 0.0
    for suite in (tasks for name, tasks in config.suites.items() if config.has_curves(name)):
        # Points that are the pre-trained encoder, or the method's after its last step, have been scored.
        scalings = len([scaling for scaling in config.figures.scalings if scaling])
        passes += len(Methods(config).swept()) * scalings * _count(config, suite)
        for method in config.methods.values():
            if method.learns:
                points = math.ceil(method.steps / config.figures.every)  # type: ignore[attr-defined]
                passes += points * _count(config, suite)
    return passes + sum(
        study.passes(config.suites[study.suite], _Costs(config, study)) for study in config.studies.values()
    )


class _Costs:
    """The costs that one study asks for."""

    def __init__(self, config: Config, study: Study) -> None:
        self.config, self.study = config, study

    def images(self, tasks: Iterable[str], split: str = "test") -> int:
        counts = (images(self.config, task)[split] for task in tasks)
        return sum(count if self.study.images is None else min(count, self.study.images) for count in counts)

    def learning(self, method: str, tasks: int) -> float:
        described = self.config.methods[method]
        given: dict[str, Any] = dict(self.study.learning) if described.learns else {}
        return _learning(replace(described, **given), tasks)


def _count(config: Config, tasks: Iterable[str], split: str = "test") -> int:
    return sum(images(config, task)[split] for task in tasks)


def _learning(method: Method, tasks: int) -> float:
    return STEP * method.steps * method.batch_size * tasks if method.learns else 0  # type: ignore[attr-defined]


def _of_router(method: Method) -> int:
    """Passes per task that a router is learned by: of features that are computed once, or of every step."""
    once = getattr(method, "images", 0)
    return once or STEP * method.steps * method.batch_size  # type: ignore[attr-defined]
