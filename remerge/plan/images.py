"""Images: their source for each task, and their files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from remerge.config.models import Config
from remerge.plan.downloads import image_record
from remerge.plan.pools import Pools
from remerge.plan.tasks import SPLITS, Tasks
from remerge.plan.texts import AUDIT_OF_TEXTS
from remerge.tasks.clip import clip_task
from remerge.tasks.folder import FolderSummary


@dataclass(frozen=True)
class Images:
    """The images of a configuration's tasks.

    Attributes:
        config: The configuration.
        folders: What was found in the folders that tasks are read from, by task.
    """

    config: Config
    folders: Mapping[str, FolderSummary]
    pools: Pools
    tasks: Tasks

    def of_tasks(self, pool: str, tasks: Iterable[str], images: str) -> list[str]:
        """Return one file for each task, in the size that a pool's encoders take.

        Args:
            pool: The pool.
            tasks: The tasks.
            images: A split, or ``corrupted/{corruption}-{severity}`` for corrupted test images.
        """
        size = self.config.pools[pool].image_size
        return [f"results/images/{size}/{task}/{images}.safetensors" for task in tasks]

    def of_task(self, pool: str, task: str, split: str) -> list[str]:
        """Return the images of one split of a task."""
        return self.of_tasks(pool, [task], split)

    def of_suite(self, pool: str, suite: str, split: str) -> list[str]:
        """Return the images of one split of every task of a suite."""
        return self.of_tasks(pool, self.tasks.in_suite(suite), split)

    def learned_from(self, pool: str, suite: str, method: str) -> list[str]:
        """Return the images of every task of a suite that a method learns its router from."""
        return self.of_suite(pool, suite, self.config.methods[method].learns_on)

    def up_to(self, pool: str, task: str, split: str) -> list[str]:
        """Return the images of one split of a task and those before it."""
        return self.of_tasks(pool, self.tasks.up_to(task), split)

    def audit(self, pool: str) -> str:
        """Return the table of images, or texts, that are in two splits of a task."""
        described = self.config.pools[pool]
        return AUDIT_OF_TEXTS if described.reads == "texts" else f"results/images/{described.image_size}/audit.csv"

    def tasks_of_size(self, size: str) -> list[str]:
        """Return the tasks whose images some pool takes in a size, as the side in pixels."""
        return self.tasks.used() if size in self._sizes() else []

    def hashes(self, size: str) -> list[str]:
        """Return the hashes of the images of every split of these tasks."""
        tasks = self.tasks_of_size(size)
        return [f"results/images/{size}/{task}/{split}.hashes.txt" for task in tasks for split in SPLITS]

    def sizes_trained_on(self) -> list[str]:
        """Return the sizes of images that some pool's experts are fine-tuned on."""
        return sorted({str(self.config.pools[pool].image_size) for pool in self.pools.trained()})

    def sizes_not_trained_on(self) -> list[str]:
        """Return the other sizes of images."""
        return sorted(self._sizes().difference(self.sizes_trained_on()))

    def _sizes(self) -> set[str]:
        return {str(self.config.pools[pool].image_size) for pool in self.pools.reading("images")}

    def source(self, task: str) -> str:
        """Return where a task's original images come from; ``own`` for a task of the user's."""
        return "own" if task in self.config.tasks else self.config.source_of(task)

    def folder(self, task: str) -> str | None:
        """Return the folder that a task's original images are read from, if they are."""
        return (self.config.tasks.get(task) or self.config.images_of(task)).folder

    def fingerprint(self, task: str) -> str | None:
        """Return a digest of the folder that a task is read from, if it is."""
        return self.folders[task].fingerprint if task in self.folders else None

    def held_out(self, task: str) -> float:
        """Return the share of the training images of a user's task that is held out for validation."""
        return self.config.tasks[task].validation

    def labels(self, task: str) -> list[str] | list[int]:
        """Return how a task of the papers names its labels: by class where folders have these names, or by number."""
        if task in self.config.tasks:
            return []
        names = clip_task(task).classes
        return list(names) if self.source(task) == "folder" else list(range(len(names)))

    def drawn(self, task: str, split: str = "test") -> int | None:
        """Return how many images are drawn from a split; None where all are used, as of all but test splits."""
        return self.config.images_of(task).test_images if split == "test" else None

    def draws(self) -> dict[str, int]:
        """Return the number of test images of every task of which not all are used."""
        return {task: images.test_images for task, images in self.config.clip_tasks.items() if images.test_images}

    def record(self, task: str, split: str = "test") -> str | list[str]:
        """Return the record of the download that a split of a task is read from, if it is downloaded."""
        source = self.source(task)
        if source == "torchvision":
            return f"results/downloads/{task}/torchvision.json"
        return image_record(task, "test" if split == "test" else "train") if source == "hub" else []
