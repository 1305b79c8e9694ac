"""Checks of the image folders of tasks, before the first job starts."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from remerge.config.models import ClipImages, FolderTask
from remerge.errors import ConfigError
from remerge.tasks.clip import clip_task
from remerge.tasks.folder import FolderSummary, class_names, inspect_folder, labels_of_folders


def inspect_tasks(
    tasks: Mapping[str, FolderTask], clip_tasks: Mapping[str, ClipImages], cache: str | Path
) -> dict[str, FolderSummary]:
    """Check every image folder of a task, and that its class folders match the task's classes.

    Args:
        tasks: The user's tasks by name.
        clip_tasks: Where images of the papers' tasks come from; those without a folder are ignored.
        cache: A folder for the summaries, so that images are decoded again only if one of them changed.

    Returns:
        A summary of the folder, by task.

    Raises:
        ConfigError: Something is wrong with a folder or its classes; the message has a paragraph per task.
    """
    summaries: dict[str, FolderSummary] = {}
    faults = [*_in_own(tasks, cache, summaries), *_in_papers(clip_tasks, cache, summaries)]
    if faults:
        raise ConfigError("the configuration cannot be run:\n  " + "\n  ".join(faults))
    return summaries


def _in_own(tasks: Mapping[str, FolderTask], cache: str | Path, summaries: dict[str, FolderSummary]) -> Iterator[str]:
    for name, task in tasks.items():
        try:
            summaries[name] = inspect_folder(task.folder, cache)
        except ConfigError as error:
            yield f"tasks.{name}.folder: {error}"
            continue
        try:
            class_names(summaries[name], task.classes)
        except ConfigError as error:
            yield f"tasks.{name}.{error}"


def _in_papers(
    tasks: Mapping[str, ClipImages], cache: str | Path, summaries: dict[str, FolderSummary]
) -> Iterator[str]:
    for name, images in tasks.items():
        if images.folder is None:
            continue
        try:
            summaries[name] = inspect_folder(images.folder, cache)
            labels_of_folders(summaries[name].folders, clip_task(name).classes)
        except ConfigError as error:
            yield f"clip_tasks.{name}.folder: {error}"
