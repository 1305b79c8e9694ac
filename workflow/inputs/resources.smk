"""What jobs ask for; each function is named after what it returns."""

import os
import shutil

import yaml

from remerge.run.devices import SETTING, local_gpus
from remerge.doctor.disk import results_bytes
from remerge.run.threads import let_threads_yield

# Scripts inherit both, on a cluster's nodes too: there each job reads the Snakefile again.
os.environ[SETTING] = settings.device
let_threads_yield(os.environ)

# A request for a GPU where there is none would make jobs wait for each other; a cluster profile asks for its own.
GPU = 0 if settings.device == "cpu" else min(1, local_gpus())
NEEDS = yaml.safe_load((ROOT / "workflow" / "resources.yaml").read_text())


def needed(work, wildcards):
    """Megabytes and minutes of one kind of work, for the architecture of the pool it is done for."""
    needs = NEEDS[work]
    return needs[architecture_of(wildcards)] if isinstance(needs, dict) else needs


def memory(work):
    """A function that returns the megabytes to ask for; more with every attempt."""
    return lambda wildcards, attempt: attempt * needed(work, wildcards)[0]


def minutes(work):
    """A function that returns the minutes to ask for; more with every attempt."""
    return lambda wildcards, attempt: attempt * needed(work, wildcards)[1]


def disk_need():
    """What is to be known, before anything starts, of the room that results take where that is much."""
    stages = results_bytes(settings)
    if (needed := sum(stages.values()) / 1e9) < 1:
        return []
    parts = ", ".join(f"{stage} {size / 1e9:.1f}" for stage, size in stages.items())
    free = shutil.disk_usage(".").free / 1e9
    return [f"Results take about {needed:.0f} GB ({parts}); {free:.0f} GB are free."]
