"""What a configuration downloads: the one place that knows which files of which repositories a pool or task needs."""

from collections.abc import Iterator
from dataclasses import dataclass

from remerge.clip.architectures import ARCHITECTURES
from remerge.config.models import Config
from remerge.downloads.hub import Kind
from remerge.tasks.clip import CLIP_TASKS, HUB_NAMES, clip_task

OPENAI = "openai"
"""The checkpoint that a published pool's encoders start from: OpenAI's CLIP, both towers."""
PARTS = ("train", "test")
"""The parts a data set on the Hub comes in."""


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

    @property
    def patterns(self) -> list[str]:
        """The files as :func:`remerge.downloads.hub.fetch` takes them."""
        return ["|".join(alternatives) for alternatives in self.files]


def clip_tasks_used(config: Config) -> list[str]:
    """Return the papers' tasks that some suite uses."""
    return [task for task in CLIP_TASKS if any(task in suite for suite in config.suites.values())]


def checkpoints_of(config: Config, pool: str) -> list[str]:
    """Return the checkpoints that a pool takes from the Hub: :data:`OPENAI`, and tasks with an expert there."""
    if not config.pools[pool].is_published:
        return []
    return [OPENAI, *(clip_tasks_used(config) if config.pools[pool].origin == "fusionbench" else [])]


def checkpoint(config: Config, pool: str, name: str) -> Wanted:
    """Return what one of a pool's checkpoints on the Hub consists of."""
    described = ARCHITECTURES[config.pools[pool].architecture]
    if name == OPENAI:
        # The branch or tag of a pool is the experts'; OpenAI's weights lie elsewhere and have no such branch.
        files = (("open_clip_model.safetensors",),)
        return Wanted(f"pool {pool}, pre-trained", described.open_clip, "model", None, files)
    repository = f"tanganke/{described.hub}_{HUB_NAMES[name]}"
    expert = (("config.json",), ("model.safetensors", "pytorch_model.bin"))
    return Wanted(f"pool {pool}, {name}", repository, "model", config.pools[pool].revision, expert)


def images_from(config: Config, source: str) -> list[str]:
    """Return the papers' tasks that some suite uses and whose images come from a source: hub or torchvision."""
    return [task for task in clip_tasks_used(config) if config.source_of(task) == source]


def images(config: Config, task: str, part: str) -> Wanted:
    """Return what one part of a task's data set on the Hub consists of."""
    described = clip_task(task)
    files = ((f"{described.folder}/{part}-*.parquet",),)
    return Wanted(f"images of {task}", described.repository, "dataset", config.images_of(task).revision, files)


def pickles_of(config: Config, pool: str) -> dict[str, str]:
    """Return the checkpoints that a pool takes from the Task Arithmetic authors' Drive, and their files' names."""
    described = config.pools[pool]
    if described.origin != "task-vectors" or described.folder is not None:
        return {}
    return {name: pickle_of(described.architecture, name) for name in ("pretrained", *clip_tasks_used(config))}


def pickle_of(architecture: str, name: str) -> str:
    """Return where a checkpoint lies in the authors' folder: ``ViT-B-32/MNIST/finetuned.pt``."""
    return f"{architecture}/{'zeroshot' if name == 'pretrained' else f'{name}/finetuned'}.pt"


def from_hub(config: Config) -> Iterator[Wanted]:
    """Yield every download from the Hub, one for each record."""
    for pool in config.pools:
        for name in checkpoints_of(config, pool):
            yield checkpoint(config, pool, name)
    for task in images_from(config, "hub"):
        for part in PARTS:
            yield images(config, task, part)


def wanted_from_hub(config: Config) -> list[Wanted]:
    """Return what a configuration takes from the Hub, one entry for each repository and revision."""
    found: dict[tuple[str, str, str | None], Wanted] = {}
    for each in from_hub(config):
        first = found.setdefault((each.repository, each.kind, each.revision), each)
        files = tuple(dict.fromkeys((*first.files, *each.files)))
        found[each.repository, each.kind, each.revision] = Wanted(
            first.purpose, each.repository, each.kind, each.revision, files
        )
    return list(found.values())
