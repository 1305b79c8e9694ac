"""The eight tasks of the papers: one file each has its class names, templates, sizes and place on the Hub."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

CLIP_TASKS = ("SUN397", "Cars", "RESISC45", "EuroSAT", "SVHN", "GTSRB", "MNIST", "DTD")
"""Their names, in the order of the papers' tables."""

TORCHVISION = ("SVHN", "GTSRB", "MNIST", "EuroSAT", "DTD")
"""Tasks that torchvision can still download; Cars' and SUN397's official addresses are dead, RESISC45 never had one."""

HUB_NAMES = {task: task.lower() for task in CLIP_TASKS} | {"Cars": "stanford-cars"}
"""How FusionBench's checkpoints on the Hub name them."""


@dataclass(frozen=True)
class ClipTask:
    """One of the papers' tasks.

    Attributes:
        name: Its name in config.yaml and in file names.
        title: What it shows, for people.
        repository: Its data set on the Hugging Face Hub, in parquet files.
        folder: The folder of that repository with the files of the configuration wanted.
        train: Number of training images, validation included.
        test: Number of test images.
        classes: Class names in label order, as the prompts use them.
        templates: Prompts with one ``{}``.
    """

    name: str
    title: str
    repository: str
    folder: str
    train: int
    test: int
    classes: tuple[str, ...]
    templates: tuple[str, ...]


@cache
def clip_task(name: str) -> ClipTask:
    """Return one of :data:`CLIP_TASKS` by its name."""
    content = yaml.safe_load(Path(__file__).with_name(f"{name}.yaml").read_text(encoding="utf-8"))
    return ClipTask(
        name,
        content["title"],
        content["repository"],
        content["folder"],
        content["sizes"]["train"],
        content["sizes"]["test"],
        tuple(content["classes"]),
        tuple(content["templates"]),
    )
