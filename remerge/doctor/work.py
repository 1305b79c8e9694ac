"""How much a configuration computes, counted in forward passes of one image; a backward pass counts as two."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from remerge.doctor.estimates import BACKWARD, MACS
from remerge.tasks import MINI_TASKS, SIZES
from remerge.tasks.clip import CLIP_TASKS, clip_task

if TYPE_CHECKING:
    from remerge.config.models import Config, Pool
    from remerge.methods.parameters import Method

STEP = 1 + BACKWARD


def experts(config: "Config") -> list[str]:
    """Return the tasks that some suite uses: each gets an expert."""
    return list(dict.fromkeys(task for suite in config.suites.values() for task in suite))


def images(config: "Config", task: str) -> dict[str, int]:
    """Return how many images each split of a task has; a folder of the user's is counted, its images are not read."""
    if task in MINI_TASKS:
        return SIZES
    if task in CLIP_TASKS:
        if config.source_of(task) == "none":
            return {"train": 0, "validation": 0, "test": 0}
        described, drawn = clip_task(task), config.images_of(task).test_images
        held_out = min(5000, described.train // 10)
        test = described.test if drawn is None else min(drawn, described.test)
        return {"train": described.train - held_out, "validation": held_out, "test": test}
    own = config.tasks[task]
    found = {split: sum(1 for _ in Path(own.folder).glob(f"{split}/*/*")) for split in ("train", "test")}
    held_out = int(own.validation * found["train"])
    return {"train": found["train"] - held_out, "validation": held_out, "test": found["test"]}


def operations(config: "Config") -> tuple[float, float]:
    """Return the floating-point operations of all pools but mini's: for the main tables, and in all."""
    main = rest = 0.0
    for pool in config.pools.values():
        if pool.architecture != "mini":
            main += 2 * MACS[pool.architecture] * _main(config, pool)
            rest += 2 * MACS[pool.architecture] * _curves_and_studies(config, pool)
    return main, main + rest


def _main(config: "Config", pool: "Pool") -> float:
    passes: float = len(experts(config)) * _count(config, experts(config))
    training = config.training.finetuning
    if pool.origin == "finetuned":
        passes += len(experts(config)) * STEP * training.steps * training.batch_size
    by_statistics, joint = config.methods_of_kind("statistics"), config.methods_of_kind("joint")
    for suite in config.suites.values():
        for name, method in config.methods.items():
            if method.algorithm == "individual" or (name in joint and not pool.is_trained):
                continue
            passes += _count(config, suite) + _learning(method, len(suite))
            if method.is_tuned:
                passes += len(method.scaling.grid) * _count(config, suite, "validation")  # type: ignore[attr-defined]
            if name in by_statistics:
                passes += STEP * len(suite) * method.images  # type: ignore[attr-defined]
            if name in joint:
                passes += STEP * method.steps * training.batch_size  # type: ignore[attr-defined]
    return passes


def _curves_and_studies(config: "Config", pool: "Pool") -> float:
    passes = 0.0
    for suite in config.suites.values():
        curves = {
            (method.algorithm, repr(method.merging_parameters()))
            for method in config.methods.values()
            if hasattr(method, "scaling")
        }
        passes += len(curves) * len(config.figures.scalings) * _count(config, suite)
        for method in config.methods.values():
            if method.learns:
                points = method.steps // config.figures.every + 1  # type: ignore[attr-defined]
                passes += points * _count(config, suite)
    costs = _Costs(config)
    return passes + sum(study.passes(config.suites[study.suite], costs) for study in config.studies.values())


class _Costs:
    """What studies ask."""

    def __init__(self, config: "Config") -> None:
        self.config = config

    def images(self, tasks: Iterable[str], split: str = "test") -> int:
        return _count(self.config, tasks, split)

    def learning(self, method: str, tasks: int) -> float:
        return _learning(self.config.methods[method], tasks)


def _count(config: "Config", tasks: Iterable[str], split: str = "test") -> int:
    return sum(images(config, task)[split] for task in tasks)


def _learning(method: "Method", tasks: int) -> float:
    return STEP * method.steps * method.batch_size * tasks if method.learns else 0  # type: ignore[attr-defined]
