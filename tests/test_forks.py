"""Jobs as forks of one process: what they inherit, how they fail, and that none is left behind."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from project import ROOT

SNAKEFILE = """
import sys
sys.path.insert(0, {root!r})

include: {included!r}

if "bare" in config:
    forks.set_forkserver_preload([])

rule all:
    input: "works", "fails", "is-killed"

rule job:
    output: "{{name}}"
    benchmark: "{{name}}.tsv"
    threads: 1
    script: "{{wildcards.name}}.py"
"""
SCRIPTS = {
    "works": "import json, os, sys\nknown = [name in sys.modules for name in ('torch', 'pandas')]\nimport torch\n"
    "told = {'known': known, 'forked': torch._C._cuda_isInBadFork(), 'main': __name__, 'file': __file__,\n"
    "        'rule': snakemake.rule, 'parent': os.getppid()}\n"
    "open(snakemake.output[0], 'w').write(json.dumps(told))\n",
    "fails": "raise ValueError('this went wrong')\n",
    "is-killed": "import os\nos.kill(os.getpid(), 9)\n",
    "waits": "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(300)\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workflow whose jobs are scripts of a few lines."""
    included = str(ROOT / "workflow" / "forks.smk")
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(root=str(ROOT), included=included), encoding="utf-8")
    for name, code in SCRIPTS.items():
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    return tmp_path


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Snakemake, running in a folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def until(happened: Callable[[], object], seconds: float = 120) -> None:
    """Wait for what happens soon."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_jobs_are_forks_and_fail_like_any_others(folder: Path) -> None:
    run = started(folder, "--keep-going")
    output = run.communicate()[0]
    assert run.returncode == 1
    told = json.loads((folder / "works").read_text(encoding="utf-8"))
    assert told["known"] == [True, True], "imported before the job began"
    assert not told["forked"], "nothing that was imported has asked for a GPU, which forks could then not use"
    assert told["main"] == "__main__"
    assert told["rule"] == "job"
    until(lambda: not psutil.pid_exists(told["parent"]), 20)
    seconds = float((folder / "works.tsv").read_text(encoding="utf-8").splitlines()[1].split("\t")[0])
    assert 0 <= seconds < 60
    assert "ValueError: this went wrong" in output
    assert "non-zero exit status 1" in output
    assert "died with <Signals.SIGKILL: 9>" in output
    assert [name for name in ("fails", "is-killed") if (folder / name).exists()] == []


@pytest.mark.parametrize("victim", ["Snakemake", "server"])
def test_a_job_ends_with_those_it_works_for(folder: Path, victim: str) -> None:
    run = started(folder, "waits", "--config", "bare=yes")
    until((folder / "pid").exists)
    until((folder / "pid").read_text)
    job = psutil.Process(int((folder / "pid").read_text()))
    server = job.parent()
    os.kill(run.pid if victim == "Snakemake" else server.pid, signal.SIGKILL)
    run.communicate()
    assert run.returncode != 0
    until(lambda: not job.is_running() and not server.is_running(), 20)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not GNU's")
def test_a_forked_job_keeps_the_memory_that_it_frees() -> None:
    def pages_asked_for(setting: str) -> int:
        script = f"""
import resource
import numpy as np
from remerge.run import forked
{setting}
def work():
    [np.ones(2**24, np.uint8) for _ in range(8)]
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
        return int(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)

    assert pages_asked_for("forked._keep_freed_memory()") < pages_asked_for("") / 10
