"""The folders behind a user's own tasks, read through before the first job starts."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from remerge.config.models import FolderTask
from remerge.errors import ConfigError
from remerge.tasks.folder import FolderSummary, class_names, inspect_folder


def inspect_tasks(tasks: Mapping[str, FolderTask], cache: str | Path) -> dict[str, FolderSummary]:
    """Check every task's folder, and that its class names are those of the folder's classes.

    Args:
        tasks: Tasks by name.
        cache: A folder for what was found, so that images are decoded again only after one of them changed.

    Raises:
        ConfigError: A folder or its class names are at fault; the message has a paragraph per task.
    """
    summaries: dict[str, FolderSummary] = {}
    faults = list(_faults(tasks, cache, summaries))
    if faults:
        raise ConfigError("the configuration cannot be run:\n  " + "\n  ".join(faults))
    return summaries


def _faults(tasks: Mapping[str, FolderTask], cache: str | Path, summaries: dict[str, FolderSummary]) -> Iterator[str]:
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
