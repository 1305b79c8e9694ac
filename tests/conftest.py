"""Settings of all tests, and a run that tests of faults compare with."""

import os
import signal
from pathlib import Path

import hypothesis
import pytest
from artifacts import contents
from project import copy_project, snakemake, with_less

from remerge.run.threads import let_threads_yield

# Before torch is imported, which reads it once: tests run beside each other's jobs.
let_threads_yield(os.environ)

# The first example of a run pays for imports; a deadline would measure those.
hypothesis.settings.register_profile("remerge", deadline=None, derandomize=True)
hypothesis.settings.load_profile("remerge")

# Whoever starts the tests in the background has them ignore Ctrl-C, and whatever they start as well.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the whole workflow has run without a fault."""
    folder = with_less(copy_project(tmp_path_factory.mktemp("undisturbed")))
    snakemake(folder)
    return folder


@pytest.fixture(scope="session")
def expected(undisturbed: Path) -> dict[str, bytes]:
    """Every artifact of that run."""
    return contents(undisturbed)
