"""How often Snakemake looks for jobs to start, and how it ends."""

import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT

SNAKEFILE = """
import threading

include: {included!r}

rule all:
    input: expand("{{number}}", number=range(6))

rule job:
    output: "{{number}}"
    shell: "touch {{output}}"

onstart:
    drop_default_limit()

onsuccess:
    print("planned:", sum(isinstance(thread, threading.Timer) for thread in threading.enumerate()))
"""


@pytest.mark.parametrize(("arguments", "piles_up"), [([], False), (["--max-jobs-per-timespan", "50/3s"], True)])
def test_no_looks_for_jobs_pile_up(tmp_path: Path, arguments: list[str], piles_up: bool) -> None:
    """Without a limit of the user's, no look for jobs is planned; with one, Snakemake plans them as it always does."""
    included = str(ROOT / "workflow" / "scheduling.smk")
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(included=included), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", *arguments],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=True,
    )
    (planned,) = (int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("planned:"))
    assert (planned > 0) == piles_up


INTERRUPTED = """
import os
import signal

include: {included!r}

rule all:
    input: "1", "2", "3"

rule job:
    output: "{{number}}"
    shell: "touch {{output}}"

onstart:
    end_at_sigterm()
    scheduler = workflow.scheduler
    finish_jobs = scheduler._finish_jobs

    def finish_jobs_and_interrupt():
        # Here the scheduler's lock is held.
        if scheduler._tofinish:
            os.kill(os.getpid(), signal.SIGTERM)
        finish_jobs()

    scheduler._finish_jobs = finish_jobs_and_interrupt
"""


def test_sigterm_ends_a_run_even_while_the_scheduler_holds_its_lock(tmp_path: Path) -> None:
    included = str(ROOT / "workflow" / "scheduling.smk")
    (tmp_path / "Snakefile").write_text(INTERRUPTED.format(included=included), encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1"], cwd=tmp_path, text=True, capture_output=True, timeout=60
    )
    assert ended.returncode == 1
    assert "Will exit after finishing currently running jobs" in ended.stdout + ended.stderr
    assert 1 <= sum((tmp_path / number).exists() for number in "123") < 3
