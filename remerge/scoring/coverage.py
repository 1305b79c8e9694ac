"""Which tasks have images, and how tables, claims and figures say that some have none: 7/8."""

from collections.abc import Collection, Mapping, Sequence, Sized
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def tasks_with_images(images: Mapping[str, Sized]) -> list[str]:
    """Return the tasks that have images, in order.

    Args:
        images: By task, its images: empty where they are absent.
    """
    return [task for task, own in images.items() if len(own)]


def scored_tasks(scores: "pd.DataFrame", tasks: Sequence[str]) -> list[str]:
    """Return the tasks that have images, as score files show it: the others are scored nowhere.

    Args:
        scores: Scores of any encoders on test images.
        tasks: Tasks in order.
    """
    found = set(scores["task"])
    return [task for task in tasks if task in found]


def share(some: Collection[str], tasks: Collection[str]) -> str:
    """Return ``7/8``: how many of the tasks are meant."""
    return f"{len(some)}/{len(tasks)}"


def absence(scored: Collection[str], tasks: Sequence[str]) -> str:
    """Return a sentence that names the tasks without images, or nothing if all have some."""
    absent = [task for task in tasks if task not in scored]
    return f"No test images of {', '.join(absent)}: averages are over {share(scored, tasks)} tasks." if absent else ""
