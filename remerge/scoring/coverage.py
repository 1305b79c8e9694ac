"""Which tasks have images, and how tables, claims and figures show that some have none: 7/8."""

from collections.abc import Collection, Mapping, Sequence, Sized
from typing import TYPE_CHECKING

from remerge.checkpoints.headers import split_tasks

if TYPE_CHECKING:
    import pandas as pd


def tasks_with_images(images: Mapping[str, Sized]) -> list[str]:
    """Return the tasks that have images, in order.

    Args:
        images: The images by task; empty where they are unavailable.
    """
    return [task for task, own in images.items() if len(own)]


def scored_tasks(scores: "pd.DataFrame", tasks: Sequence[str]) -> list[str]:
    """Return the tasks that have images, judged by score files: tasks without images have no scores.

    Args:
        scores: Scores of any encoders on test images.
        tasks: Tasks in order.
    """
    found = set(scores["task"])
    return [task for task in tasks if task in found]


def share(some: Collection[str], tasks: Collection[str]) -> str:
    """Return how many of the tasks are covered, such as ``7/8``."""
    return f"{len(some)}/{len(tasks)}"


def count_merged(merged: object, tasks: int) -> int:
    """Return how many tasks an encoder merges.

    Args:
        merged: The column ``merged`` of its scores, which is empty or missing if it merges all.
        tasks: The number of all tasks.
    """
    return len(split_tasks(merged)) if merged and isinstance(merged, str) else tasks


def absence(scored: Collection[str], tasks: Sequence[str]) -> str:
    """Return a sentence that names the tasks without images; empty if all have images."""
    absent = [task for task in tasks if task not in scored]
    return f"No test images of {', '.join(absent)}: averages are over {share(scored, tasks)} tasks." if absent else ""
