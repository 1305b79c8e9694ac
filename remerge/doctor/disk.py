"""Checks of disk space for results and downloads."""

import shutil
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from remerge.config.models import Config, Pool
from remerge.doctor.check import Check
from remerge.doctor.estimates import ADAPTER_BYTES, HUB_BYTES, PARAMETERS, TORCHVISION_BYTES
from remerge.doctor.work import images
from remerge.methods.registry import MERGING, WITH_PARTS
from remerge.plan.downloads import FLAN_T5, OPENAI, Downloads
from remerge.plan.methods import Methods
from remerge.plan.tasks import Tasks
from remerge.tasks import MINI_TASKS
from remerge.tasks.clip import CLIP_TASKS

BYTES = 4


def results_bytes(config: Config) -> dict[str, int]:
    """Return the disk space that a run needs in its results folder, by stage, ignoring the mini benchmark's images.

    Training images only count if experts are fine-tuned on them; otherwise they are hashed and not stored.
    """
    stages: dict[str, int] = defaultdict(int)
    of_images = [pool for pool in config.pools.values() if pool.reads == "images"]
    for size in {pool.image_size for pool in of_images}:
        trained = any(pool.is_trained and pool.image_size == size for pool in of_images)
        for stage, count in _images(config, trained=trained).items():
            stages[stage] += 3 * size**2 * count
    # Instructions and hashes take more than twice what the Hub has compressed.
    stages["texts"] = int(3 * sum(HUB_BYTES[task] for task in Downloads(config).glue()))
    archives = Downloads(config).used_from("torchvision")
    stages["torchvision's downloads"] = int(sum(TORCHVISION_BYTES[task] for task in archives))
    for pool in config.pools.values():
        for stage, taken in pool_bytes(config, pool).items():
            stages[stage] += taken
    return {stage: taken for stage, taken in stages.items() if taken}


def space_for_results(config: Config) -> str:
    """Return a message with the space that results need and the free space; empty if they need less than 1 GB."""
    stages = results_bytes(config)
    if (needed := sum(stages.values()) / 1e9) < 1:
        return ""
    parts = ", ".join(f"{stage} {size / 1e9:.1f}" for stage, size in stages.items())
    free = shutil.disk_usage(".").free / 1e9
    return f"Results take about {needed:.0f} GB ({parts}); {free:.0f} GB are free."


def _images(config: Config, *, trained: bool) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    largest = 0
    for task in Tasks(config).used():
        if task in MINI_TASKS:
            continue
        counted = images(config, task)
        if task not in CLIP_TASKS:
            counts["your own images"] += sum(counted.values())
            continue
        counts["test and validation images"] += counted["test"] + counted["validation"]
        counts["training images"] += counted["train"] if trained else 0
        largest = max(largest, *(counted[split] for split in counted if trained or split != "train"))
    # A split that is being prepared is stored twice, so that the job can be resumed.
    counts["images being prepared"] = largest
    corrupted = {
        (task, study.images_of(part))
        for study in config.studies.values()
        for part in study.parts
        for task in study.tasks_in(config.suites[study.suite])
        if study.images_of(part) != "test"
    }
    counts["corrupted images"] = sum(images(config, task)["test"] for task, _ in corrupted if task not in MINI_TASKS)
    return counts


def pool_bytes(config: Config, pool: Pool) -> dict[str, int]:
    """Return the disk space of a pool's files, by kind."""
    encoder, both = (BYTES * count for count in PARAMETERS[pool.architecture])
    count = len(Tasks(config).used())
    made = config.methods_of_kind("joint", *MERGING)
    taken = {
        "weights": both + (count + 1) * encoder,
        "task vectors": count * encoder,
        # The merged task vector and the merged encoder.
        "merged encoders": 2 * len(config.suites) * len(made) * encoder,
    }
    if parted := config.methods_of_kind(*WITH_PARTS):
        # At most the pre-trained weights and a task vector are shared, and parts take less than one more.
        taken["merged results with parts"] = 3 * len(config.suites) * len(parted) * encoder
    if statistics := len(config.methods_of_kind("statistics")):
        taken["statistics"] = statistics * count * encoder
    if layouts := Methods(config).svd_layouts():
        # Of every matrix eight bytes for each entry of a square with its shorter side.
        taken["decompositions"] = len(layouts) * count * encoder
    if pool.origin == "task-vectors" and pool.folder is None:
        taken["pickles"] = (count + 1) * (encoder + BYTES * pool.frozen_entries)
    return taken


def hub_bytes(config: Config) -> int:
    """Return about how much a run downloads to the Hub's cache, without asking the Hub."""
    downloads = Downloads(config)
    # Pools of one architecture start from the same encoder.
    architectures = {pool.architecture for pool in config.pools.values() if pool.is_downloaded}
    size: float = sum(BYTES * PARAMETERS[architecture][1] for architecture in architectures)
    for name, pool in config.pools.items():
        experts = [checkpoint for checkpoint in downloads.checkpoints(name) if checkpoint not in (OPENAI, FLAN_T5)]
        expert = ADAPTER_BYTES.get(pool.architecture, BYTES * PARAMETERS[pool.architecture][0])
        size += len(experts) * expert
    return int(size + sum(HUB_BYTES[task] for task in (*downloads.used_from("hub"), *downloads.glue())))


def disks(config: Config, results: Path, downloads: Mapping[Path, int]) -> list[Check]:
    """Check whether each disk has enough space for what will be written to it.

    Args:
        config: The configuration.
        results: The results folder; files that already exist are not written again.
        downloads: Bytes that will be downloaded, by folder.
    """
    stages: dict[int, dict[str, int]] = defaultdict(dict)
    where: dict[int, Path] = {}

    def put(folder: Path, stage: str, size: int) -> None:
        there = _existing(folder)
        device = there.stat().st_dev
        where.setdefault(device, there)
        stages[device][stage] = stages[device].get(stage, 0) + size

    for stage, size in results_bytes(config).items():
        put(results, stage, size)
    for folder, size in downloads.items():
        put(folder, "downloads", size)
    written = sum(path.stat().st_size for path in results.rglob("*") if path.is_file())
    checks = []
    for device, sizes in stages.items():
        free = shutil.disk_usage(where[device]).free
        wanted = sum(sizes.values()) - (written if device == _existing(results).stat().st_dev else 0)
        parts = ", ".join(f"{stage} {size / 1e9:.1f}" for stage, size in sizes.items() if size >= 5e7)
        message = f"{free / 1e9:.1f} GB are free, about {max(0, wanted) / 1e9:.1f} GB are still to be written"
        message += f" (GB in all: {parts})" if parts else ""
        name = f"disk of {where[device]}"
        if free < wanted:
            remedy = "free some space, run from a folder on a larger disk, or set HF_HUB_CACHE to one for downloads"
            checks.append(Check(name, "will fail", message, remedy))
        else:
            checks.append(Check(name, "fine", message))
    return checks


def _existing(folder: Path) -> Path:
    """The folder, or its nearest existing parent."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())
