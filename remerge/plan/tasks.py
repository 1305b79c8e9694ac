"""Tasks: which there are, which a suite merges, and the texts of their zero-shot heads."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from remerge.config.models import Config
from remerge.tasks import MINI_TASKS, dates
from remerge.tasks.clip import CLIP_TASKS, clip_task
from remerge.tasks.folder import FolderSummary, class_names
from remerge.tasks.glue import GLUE_TASKS, REMARK, glue_task
from remerge.tasks.prompts import TEMPLATES, pretraining_classes

Texts = dict[str, list[str]]
SPLITS = ["train", "validation", "test"]


@dataclass(frozen=True)
class Tasks:
    """The tasks of a configuration.

    Attributes:
        config: The configuration.
        folders: What was found in the folders that tasks are read from, by task.
    """

    config: Config
    folders: Mapping[str, FolderSummary] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Return every task there is, used or not."""
        return [*MINI_TASKS, *CLIP_TASKS, *dates.TASKS, *GLUE_TASKS, *self.config.tasks]

    def used(self) -> list[str]:
        """Return the tasks that some suite uses: those that get an expert."""
        return [task for task in self.names() if any(task in suite for suite in self.config.suites.values())]

    def in_suite(self, suite: str) -> list[str]:
        """Return the tasks of a suite, in the configuration's order."""
        return self.config.suites[suite]

    def nested(self, suite: str) -> dict[str, list[str]]:
        """Return the suites that are nested in a suite, each in the next, with their tasks, and the suite itself last.

        Of suites that would do, the one with the most tasks is taken, and of these the first.
        """
        suites = self.config.suites
        chain = [suite]
        for name in sorted(suites, key=lambda name: len(suites[name]), reverse=True):
            if set(suites[name]) < set(suites[chain[-1]]):
                chain.append(name)
        return {name: suites[name] for name in reversed(chain)}

    def up_to(self, task: str) -> list[str]:
        """Return the tasks that suites name before a task, and the task itself; without cross scores, the task alone.

        A task that is added at the end of a suite changes no other task's list.
        """
        if not self.config.cross_scores:
            return [task]
        order = list(dict.fromkeys(name for suite in self.config.suites.values() for name in suite))
        return order[: order.index(task) + 1]

    def first_suite(self, task: str) -> str:
        """Return the first suite that has a task."""
        return next(name for name, tasks in self.config.suites.items() if task in tasks)

    def texts(self, task: str) -> Texts:
        """Return the class names and templates that a task's zero-shot head is made from."""
        if task in MINI_TASKS:
            return _texts(MINI_TASKS[task].classes, TEMPLATES)
        if task in CLIP_TASKS:
            return _texts(clip_task(task).classes, clip_task(task).templates)
        described = self.config.tasks[task]
        return _texts(class_names(self.folders[task], described.classes), described.templates)

    def remarks(self, pool: str, suite: str) -> dict[str, str]:
        """Return what is odd about tasks of a suite, by task, where a pool's checkpoints are concerned."""
        origin = self.config.pools[pool].origin
        told = {
            task: [remark.text for remark in clip_task(task).remarks if origin in (remark.origins or [origin])]
            for task in self.in_suite(suite)
            if task in CLIP_TASKS
        }
        told |= {task: [REMARK, *glue_task(task).remarks] for task in self.in_suite(suite) if task in GLUE_TASKS}
        return {task: "; ".join(texts) for task, texts in told.items() if texts}

    def pretraining_texts(self) -> Texts:
        """Return the class names and templates that the mini CLIP is pre-trained on."""
        return _texts(pretraining_classes(), TEMPLATES)

    def languages(self) -> dict[str, dict[str, Any]]:
        """Return how languages write dates, by their names."""
        return {name: asdict(language) for name, language in dates.languages().items()}

    def instruction(self, task: str) -> dict[str, Any]:
        """Return how the examples of one of GLUE's tasks are made."""
        return asdict(glue_task(task))

    def origin(self, task: str) -> str:
        """Return whether a task's images are ``rendered`` or ``real``, or its texts ``generated``."""
        if task in dates.TASKS:
            return "generated"
        return MINI_TASKS[task].origin if task in MINI_TASKS else "real"

    def origins(self, suite: str) -> dict[str, str]:
        """Return the same for every task of a suite."""
        return {task: self.origin(task) for task in self.in_suite(suite)}


def _texts(classes: Iterable[str], templates: Iterable[str]) -> Texts:
    return {"classes": list(classes), "templates": list(templates)}
