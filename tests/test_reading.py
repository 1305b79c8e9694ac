"""Commands that only read a workflow change no result; a run, and `mend`, set aside what is damaged."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT, copy_project, snakemake

pytestmark = pytest.mark.whole
TARGET = "results/images/32/audit.csv"
READING = {
    "plan": ["--dry-run", TARGET],
    "lint": ["--lint"],
    "list": ["--list-rules"],
    "summary": ["--summary", TARGET],
    "graph": ["--dag", "--", TARGET],
    "rule graph": ["--rulegraph", "--", TARGET],
    "report": ["--report", "report.zip", TARGET],
    "unlock": ["--unlock"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which one cheap result has been made."""
    folder = copy_project(tmp_path_factory.mktemp("reading") / "project")
    snakemake(folder, TARGET, one_process=True)
    return folder


def state(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file under results: its bytes and its date."""
    files = [path for path in sorted((folder / "results").rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in files
    }


def damage(folder: Path) -> bytes:
    """Flip a bit of the result, leave half a file beside it, and return what the result was."""
    path = folder / TARGET
    whole = path.read_bytes()
    path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    (path.parent / ".partial-abc.csv").write_bytes(b"half")
    return whole


def mend(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "remerge", "mend"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, check=False)


def test_reading_changes_nothing_and_a_run_makes_the_same_again(made: Path) -> None:
    whole = damage(made)
    before = state(made)
    for name, arguments in READING.items():
        told = snakemake(made, *arguments, one_process=True)
        assert state(made) == before, name
        assert f"{TARGET}: damaged since made" in told, name
    # Any target, not only the default one, is planned again by the run that sets it aside.
    snakemake(made, TARGET, one_process=True)
    assert (made / TARGET).read_bytes() == whole
    assert state(made)[f"{TARGET}.damaged"][0] == before[TARGET][0]
    assert not list(made.glob("results/**/.partial-*"))


def test_mend_sets_aside_by_itself_but_not_beside_a_run(made: Path) -> None:
    whole = damage(made)
    lock = made / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    before = state(made)
    refused = mend(made)
    assert (refused.returncode, state(made)) == (1, before)
    assert "locked by a run" in refused.stderr
    lock.unlink()
    told = mend(made)
    assert told.returncode == 0
    assert told.stdout.splitlines() == [
        f"{TARGET}: damaged since made, now {TARGET}.damaged",
        f"{Path(TARGET).parent}/.partial-abc.csv: half-written, removed",
    ]
    assert not (made / TARGET).exists()
    assert mend(made).stdout == "results: nothing is damaged\n"
    snakemake(made, TARGET, one_process=True)
    assert (made / TARGET).read_bytes() == whole
