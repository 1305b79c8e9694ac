"""The papers' tasks, twenty-one in all: one file each has its class names, templates, sizes and places to get it from.

A task is there because its file is. Suites of eight, fourteen and twenty are the configuration's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

CLIP_TASKS = tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.yaml")))
"""Their names."""


@dataclass(frozen=True)
class Remark:
    """Something odd about a task that everyone who reads its numbers should know.

    Attributes:
        text: What it is.
        origins: The origins of checkpoints that it concerns; all if empty.
    """

    text: str
    origins: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClipTask:
    """One of the papers' tasks.

    Attributes:
        name: Its name in config.yaml and in file names.
        title: What it shows, for people.
        repository: Its data set on the Hugging Face Hub; empty if there is none.
        files: Shell patterns of that repository's parquet files, or tar files, of the parts ``train`` and ``test``.
        torchvision: Whether torchvision can download it.
        train: Number of training images, validation included.
        test: Number of test images.
        classes: Class names in label order, as the prompts use them.
        templates: Prompts with one ``{}``.
        experts: The task's name in each origin of published checkpoints that has an expert for it.
        remarks: What is odd about it.
    """

    name: str
    title: str
    train: int
    test: int
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    repository: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    torchvision: bool = False
    experts: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()

    @property
    def sources(self) -> list[str]:
        """Where its images can be downloaded from, best first: ``hub``, ``torchvision``."""
        return [*(["hub"] if self.repository else []), *(["torchvision"] if self.torchvision else [])]


@cache
def clip_task(name: str) -> ClipTask:
    """Return one of :data:`CLIP_TASKS` by its name."""
    content: dict[str, Any] = yaml.load(
        Path(__file__).with_name(f"{name}.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader
    )
    sizes = content.pop("sizes")
    return ClipTask(
        name,
        train=sizes["train"],
        test=sizes["test"],
        classes=tuple(content.pop("classes")),
        templates=tuple(content.pop("templates")),
        remarks=tuple(
            Remark(remark["text"], tuple(remark.get("origins", ()))) for remark in content.pop("remarks", ())
        ),
        **content,
    )
