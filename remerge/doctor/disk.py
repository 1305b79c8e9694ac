"""Checks of the disks that results and downloads are written to."""

import shutil
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from remerge.config.models import Config, Pool, Robustness
from remerge.doctor.check import Check
from remerge.doctor.estimates import PARAMETERS
from remerge.downloads.wanted import clip_tasks_used
from remerge.tasks.clip import clip_task

WITHOUT_MERGING = ("pretrained", "individual")
BYTES = 4


def image_bytes(config: Config) -> int:
    """Return the room that prepared images of the papers' tasks take; training images count while they are there.

    The user's own images are not counted: that would mean to read them.
    """
    tasks = [clip_task(name) for name in clip_tasks_used(config) if config.source_of(name) != "none"]
    trained = any(pool.origin == "finetuned" for pool in config.pools.values())
    images = sum(task.test + min(5000, task.train // 10) for task in tasks)
    # Every training set is there at once only where experts are trained on them.
    images += (sum if trained else max)([0, *(task.train for task in tasks)])
    corrupted = {
        (task, corruption, study.severity)
        for study in config.studies.values()
        if isinstance(study, Robustness)
        for task in study.tasks
        for corruption in study.corruptions
    }
    images += sum(task.test for task in tasks for name, *_ in corrupted if name == task.name)
    return sum(3 * size**2 * images for size in {pool.image_size for pool in config.pools.values()})


def pool_bytes(config: Config, pool: Pool) -> dict[str, int]:
    """Return the room that a pool's files take, by what they are."""
    encoder, both = (BYTES * count for count in PARAMETERS[pool.architecture])
    experts = len({task for suite in config.suites.values() for task in suite})
    merging = [method for method in config.methods.values() if method.algorithm not in WITHOUT_MERGING]
    taken = {
        "weights": both + (experts + 1) * encoder,
        "task vectors": experts * encoder,
        # The merged task vector and the merged encoder.
        "merged": 2 * len(config.suites) * len(merging) * encoder,
    }
    if statistics := sum(method.wants_statistics for method in merging):
        taken["statistics"] = statistics * experts * encoder
    if pool.origin == "task-vectors" and pool.folder is None:
        taken["pickles"] = (experts + 1) * (encoder + BYTES * pool.frozen)
    return taken


def disks(config: Config, results: Path, downloads: Mapping[Path, int]) -> list[Check]:
    """Whether each disk has room for what will be written on it.

    Args:
        config: The configuration.
        results: The folder that results go to; what is there already is not written again.
        downloads: Bytes that will be downloaded, by folder.
    """
    stages: dict[int, dict[str, int]] = defaultdict(dict)
    where: dict[int, Path] = {}

    def put(folder: Path, stage: str, size: int) -> None:
        there = _existing(folder)
        device = there.stat().st_dev
        where.setdefault(device, there)
        stages[device][stage] = stages[device].get(stage, 0) + size

    put(results, "images", image_bytes(config))
    for pool in config.pools.values():
        for stage, size in pool_bytes(config, pool).items():
            put(results, stage, size)
    for folder, size in downloads.items():
        put(folder, "downloads", size)
    written = sum(path.stat().st_size for path in results.rglob("*") if path.is_file())
    checks = []
    for device, sizes in stages.items():
        free = shutil.disk_usage(where[device]).free
        wanted = sum(sizes.values()) - (written if device == _existing(results).stat().st_dev else 0)
        parts = ", ".join(f"{stage} {size / 1e9:.1f}" for stage, size in sizes.items() if size >= 5e7)
        told = f"{free / 1e9:.1f} GB are free, about {max(0, wanted) / 1e9:.1f} GB are still to be written"
        told += f" (GB in all: {parts})" if parts else ""
        name = f"disk of {where[device]}"
        if free < wanted:
            remedy = "make room, run from a folder on a larger disk, or name one for downloads by HF_HUB_CACHE"
            checks.append(Check(name, "will fail", told, remedy))
        else:
            checks.append(Check(name, "fine", told))
    return checks


def _existing(folder: Path) -> Path:
    """The folder itself, or the nearest above it that is there."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())
