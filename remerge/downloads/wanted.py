"""Which repositories of the Hub, and which of their files, a configuration wants."""

from collections.abc import Iterator
from dataclasses import dataclass

from remerge.architectures import ARCHITECTURES
from remerge.config.models import Config, Pool
from remerge.downloads.hub import Kind
from remerge.tasks.clip import CLIP_TASKS, HUB_NAMES, clip_task


@dataclass(frozen=True)
class Wanted:
    """Files of one repository.

    Attributes:
        purpose: What they are for, for people.
        repository: Owner and name.
        kind: ``model`` or ``dataset``.
        revision: Branch, tag or commit; the newest when None.
        files: For each file wanted, the shell patterns of names that will do.
    """

    purpose: str
    repository: str
    kind: Kind
    revision: str | None
    files: tuple[tuple[str, ...], ...]


def clip_tasks_used(config: Config) -> list[str]:
    """Return the papers' tasks that some suite uses."""
    return [task for task in CLIP_TASKS if any(task in suite for suite in config.suites.values())]


def wanted_from_hub(config: Config) -> list[Wanted]:
    """Return what a configuration fetches from the Hub; nothing twice."""
    tasks = clip_tasks_used(config)
    found = [each for name, pool in config.pools.items() for each in _weights(name, pool, tasks)]
    found += [_images(config, task) for task in tasks if config.source_of(task) == "hub"]
    once = {(each.repository, each.kind, each.revision): each for each in reversed(found)}
    return list(reversed(once.values()))


def _weights(name: str, pool: Pool, tasks: list[str]) -> Iterator[Wanted]:
    architecture = ARCHITECTURES[pool.architecture]
    if pool.is_published:
        files = (("open_clip_model.safetensors",),)
        yield Wanted(f"pool {name}, pre-trained", architecture.open_clip, "model", pool.revision, files)
    if pool.origin == "fusionbench":
        for task in tasks:
            repository = f"tanganke/{architecture.hub}_{HUB_NAMES[task]}"
            expert = (("config.json",), ("model.safetensors", "pytorch_model.bin"))
            yield Wanted(f"pool {name}, {task}", repository, "model", pool.revision, expert)


def _images(config: Config, task: str) -> Wanted:
    described = clip_task(task)
    files = tuple((f"{described.folder}/{part}-*.parquet",) for part in ("train", "test"))
    return Wanted(f"images of {task}", described.repository, "dataset", config.images_of(task).revision, files)
