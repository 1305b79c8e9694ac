"""The configuration, checked as a whole before anything else is done, and what wildcards may be."""

import os
import re
from pathlib import Path

from snakemake.exceptions import WorkflowError

from remerge.config import inspect_tasks, load_config
from remerge.downloads.lock import check_lock, read_lock
from remerge.errors import RemergeError
from remerge.tasks import MINI_TASKS
from remerge.tasks.clip import CLIP_TASKS
from remerge.tasks.folder import class_names

ROOT = Path(workflow.basedir)
SPLITS = ["train", "validation", "test"]
PUBLISHED = os.path.relpath(ROOT / "published" / "main.csv")
MEASURED = os.path.relpath(ROOT / "published" / "methods.yaml")
CURVES = os.path.relpath(ROOT / "published" / "curves.csv")
CLAIMS = os.path.relpath(ROOT / "published" / "claims.yaml")

try:
    settings = load_config(
        config, [ROOT / "config.yaml", *workflow.config_settings.configfiles]
    )
    # Each download depends on what is said of its own files, so that a new lock file remakes only what it changes.
    lock = read_lock(settings.downloads) if settings.downloads else None
    if lock:
        check_lock(lock, settings)
    # Every folder is read through before the first job starts, and again only when a file in it changed.
    folders = inspect_tasks(settings.tasks, settings.clip_tasks, ".snakemake/remerge")
    own_classes = {
        name: class_names(folders[name], task.classes)
        for name, task in settings.tasks.items()
    }
except RemergeError as error:
    raise WorkflowError(str(error))

TASKS = [*MINI_TASKS, *CLIP_TASKS, *settings.tasks]


def any_of(names):
    """A wildcard constraint that matches these names and nothing else."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


wildcard_constraints:
    pool=any_of(settings.pools),
    suite=any_of(settings.suites),
    method=any_of(settings.methods),
    task=any_of(TASKS),
    split=any_of(SPLITS),
    study=any_of(settings.studies),
    part=r"[a-z0-9_-]+",
    size=r"\d+",
