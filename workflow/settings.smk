"""The configuration, checked as a whole before anything else is done, and the plan of what it makes."""

import os
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

from remerge.checkpoints.headers import read_metadata
from remerge.config import inspect_tasks, load_config
from remerge.errors import RemergeError
from remerge.plan import Plan
from remerge.plan.pretraining import Shipped
from remerge.plan.pools import OVER_SEEDS
from remerge.plan.tasks import SPLITS
from remerge.run.devices import SETTING, local_gpus
from remerge.run.threads import let_threads_yield
from remerge.tasks import MINI_TASKS, dates
from remerge.tasks.clip import CLIP_TASKS
from remerge.tasks.glue import GLUE_TASKS

ROOT = Path(workflow.basedir)
PUBLISHED = os.path.relpath(ROOT / "published")
SHIPPED = os.path.relpath(ROOT / "pretrained" / "mini.safetensors")

try:
    settings = load_config(
        config, [ROOT / "config.yaml", *workflow.config_settings.configfiles]
    )
    pins = None
    if settings.downloads:
        # Imports the client of the Hub, which takes longer than all the rest.
        from remerge.downloads.lock import check_lock, read_lock

        # Each download depends on what is said of its own files, so that a new lock file remakes only what it changes.
        pins = read_lock(settings.downloads)
        check_lock(pins, settings)
    plan = Plan(
        settings,
        # Every folder is read through before the first job starts, and again only when a file in it changed.
        folders=inspect_tasks(
            settings.tasks, settings.clip_tasks, ".snakemake/remerge"
        ),
        needs=yaml.safe_load((ROOT / "workflow" / "resources.yaml").read_text()),
        pins=pins,
        published=PUBLISHED,
        shipped=(
            Shipped(SHIPPED, read_metadata(SHIPPED))
            if os.path.isfile(SHIPPED)
            else None
        ),
    )
except RemergeError as error:
    raise WorkflowError(str(error))

# Scripts inherit both, on a cluster's nodes too: there each job reads the Snakefile again.
os.environ[SETTING] = settings.device
let_threads_yield(os.environ)

# A request for a GPU where there is none would make jobs wait for each other; a cluster profile asks for its own.
GPU = 0 if settings.device == "cpu" else min(1, local_gpus())


wildcard_constraints:
    pool=any_of(settings.pools),
    suite=any_of(settings.suites),
    method=any_of(settings.methods),
    task=any_of(plan.tasks.names()),
    split=any_of(SPLITS),
    study=any_of(settings.studies),
    part=r"[a-z0-9_-]+",
    size=r"\d+",
    over=f"(?:{OVER_SEEDS})?",
