"""Whatever happens to a run: nothing half-made has a final name, and the same command ends with the same bytes."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from artifacts import contents, unequal
from project import copy_project, planned, scripts_in, snakemake, started, with_less

pytestmark = pytest.mark.whole
KILLS = 30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project in which nothing has run."""
    return with_less(copy_project(tmp_path / "project"))


def finish(folder: Path, expected: dict[str, bytes]) -> None:
    """Run the same command until it succeeds, and compare everything it made."""
    snakemake(folder, one_process=True)
    found = contents(folder)
    assert sorted(found) == sorted(expected)
    assert unequal(folder, expected) == []
    assert not list(folder.glob("results/**/.partial-*"))


def test_thirty_kills_at_random_moments(folder: Path, expected: dict[str, bytes]) -> None:
    chance = random.Random(0)
    kills, made_before = 0, -1
    for _ in range(KILLS):
        # A killed job begins again in the same run; if it is killed twice, or at work at the tenth kill, in the next.
        run, last = started(folder, "--keep-going", "--retries", "1"), kills - kills % 10 + 10
        while run.poll() is None and kills < last:
            time.sleep(chance.uniform(0, 2))
            # Something is made between two kills; else all of them would be of the first jobs.
            made = len(list(folder.glob("results/provenance/**/*.json")))
            if made > made_before and (victims := sorted(scripts_in(folder))):
                try:
                    os.kill(chance.choice(victims), signal.SIGKILL)
                except ProcessLookupError:
                    continue
                kills, made_before = kills + 1, made
        if kills == last and run.poll() is None:
            os.killpg(run.pid, signal.SIGTERM)
        run.wait(timeout=300)
        assert unequal(folder, expected) == []
        if kills == KILLS:
            break
        if run.returncode == 0:
            # Everything was made before the last kill: begin anew.
            subprocess.run(["rm", "-rf", "results"], cwd=folder, check=True)
            made_before = -1
    assert kills == KILLS
    finish(folder, expected)


def test_interrupted_runs(folder: Path, expected: dict[str, bytes]) -> None:
    # SIGTERM reaches Snakemake alone; Ctrl-C in a terminal reaches its jobs too.
    for reached, send, number in (
        ("results/mini/weights/pretrained.safetensors", os.kill, signal.SIGTERM),
        ("results/mini/task_vectors/*.safetensors", os.killpg, signal.SIGINT),
        ("results/mini/merged/two/*.safetensors", os.kill, signal.SIGTERM),
        ("results/mini/tables/two/main.csv", os.killpg, signal.SIGINT),
    ):
        run = started(folder)
        while not list(folder.glob(reached)):
            assert run.poll() is None
            time.sleep(0.05)
        send(run.pid, number)
        run.wait(timeout=120)
        assert run.returncode != 0
        assert unequal(folder, expected) == []
    finish(folder, expected)


@pytest.fixture
def small_disk(folder: Path) -> Callable[[str], None]:
    """A function that (re)mounts the results folder with options, on a file system of its own."""
    results = folder / "results"
    results.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", results], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"file systems cannot be mounted here: {made.stderr.strip()}")

    def remount(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", results], check=True)

    return remount


def unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", folder / "results"], check=True)


def test_a_full_disk_and_one_that_cannot_be_written(
    folder: Path, expected: dict[str, bytes], small_disk: Callable[[str], None]
) -> None:
    try:
        told = snakemake(folder, check=False, one_process=True)
        assert "No space left on device" in told
        assert unequal(folder, expected) == []
        small_disk("ro,size=500m")
        told = snakemake(folder, check=False, one_process=True)
        assert "Read-only file system" in told
        small_disk("rw,size=500m")
        finish(folder, expected)
    finally:
        unmount(folder)


@pytest.mark.parametrize(
    "artifacts",
    [
        # Neither is needed for the other, and what was made from them still stands.
        {
            "results/mini/task_vectors/digits.safetensors": "bit flipped",
            "results/mini/heads/shapes.safetensors": "truncated",
        },
        {"results/mini/scores/two/ties.csv": "truncated"},
        {"results/mini/tables/two/main.csv": "bit flipped"},
    ],
    ids=["intermediate", "scores", "table"],
)
def test_damaged_artifacts_are_made_again(
    undisturbed: Path, expected: dict[str, bytes], artifacts: dict[str, str]
) -> None:
    damaged = {}
    for artifact, damage in artifacts.items():
        content = bytearray((undisturbed / artifact).read_bytes())
        if damage == "truncated":
            del content[len(content) // 2 :]
        else:
            content[len(content) // 2] ^= 1
        (undisturbed / artifact).write_bytes(content)
        damaged[artifact] = bytes(content)
    plan = snakemake(undisturbed, "--dry-run")
    for artifact, found in damaged.items():
        assert f"{artifact}: damaged since made" in plan
        assert (undisturbed / artifact).read_bytes() == found, "a plan touches nothing"
    finish(undisturbed, expected)
    for artifact, found in damaged.items():
        kept = undisturbed / f"{artifact}.damaged"
        assert kept.read_bytes() == found
        kept.unlink()
    assert planned(undisturbed) == {}


def test_a_damaged_result_that_nothing_makes_any_more_is_not_asked_for(undisturbed: Path) -> None:
    kept = undisturbed / "results" / "other" / "weights" / "digits.safetensors.damaged"
    kept.parent.mkdir(parents=True)
    kept.touch()
    assert planned(undisturbed) == {}
    shutil.rmtree(kept.parents[1])


def test_a_second_snakemake_is_told_to_wait(undisturbed: Path, expected: dict[str, bytes]) -> None:
    first = started(undisturbed, "--forceall", "--", "results/mini/merged/two/ties.safetensors")
    while not scripts_in(undisturbed):
        assert first.poll() is None
        time.sleep(0.1)
    told = snakemake(undisturbed, check=False)
    assert "lock" in told.lower()
    assert "unlock" in told
    first.wait(timeout=600)
    assert first.returncode == 0
    finish(undisturbed, expected)
