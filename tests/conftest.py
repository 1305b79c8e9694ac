"""Settings of all tests, and a run that tests of faults compare with and others go on from."""

import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from artifacts import contents
from filelock import FileLock
from project import copy_project, snakemake, with_less

from remerge.run.threads import keep_to, let_threads_yield

if TYPE_CHECKING:
    from torch import Tensor

# Before torch is imported, which reads them once: tests run beside each other and beside each other's jobs.
let_threads_yield(os.environ)
keep_to(1)

# The first example of a run pays for imports; a deadline would measure those.
hypothesis.settings.register_profile("remerge", deadline=None, derandomize=True)
hypothesis.settings.load_profile("remerge")

# Whoever starts the tests in the background has them ignore Ctrl-C, and whatever they start as well.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker is left with one at the end."""
    whole = {item.path for item in items if item.get_closest_marker("whole")}

    def place(item: pytest.Item) -> tuple[bool, bool, str]:
        plans_the_workflow = hasattr(getattr(item, "module", None), "planned")
        # By name, one worker makes the run that faults and SLURM compare with, and the other has files before SLURM's.
        return item.path not in whole, not plans_the_workflow, item.path.name

    items.sort(key=place)


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the whole workflow has run without a fault, once for all workers; tests work on copies."""
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    made, is_made = place / "whole-run", place / "whole-run.made"
    with FileLock(place / "whole-run.lock"):
        if not is_made.exists():
            snakemake(with_less(copy_project(made)), one_process=True)
            is_made.touch()
    return made


@pytest.fixture(scope="session")
def undisturbed(whole_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of that project, which tests damage and mend."""
    return shutil.copytree(whole_run, tmp_path_factory.mktemp("undisturbed") / "project")


@pytest.fixture(scope="session")
def expected(undisturbed: Path) -> dict[str, bytes]:
    """Every artifact of that run."""
    return contents(undisturbed)


@pytest.fixture(scope="module")
def towers() -> "list[dict[str, Tensor]]":
    """Weights of mini's image encoder with three seeds."""
    import torch

    from remerge.clip.encoders import build_clip

    made = []
    for seed in range(3):
        torch.manual_seed(seed)
        made.append(dict(build_clip("mini").visual.state_dict()))
    return made
