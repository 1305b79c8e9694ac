"""Nothing half-written is ever seen under a final name."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from remerge.run.atomic import atomic_path, remove_leftovers


def test_the_file_appears_whole(tmp_path: Path) -> None:
    final = tmp_path / "deep" / "table.csv"
    with atomic_path(final) as temporary:
        temporary.write_text("half")
        assert not final.exists()
        assert temporary.suffix == ".csv"
        temporary.write_text("whole")
    assert final.read_text() == "whole"
    assert [path.name for path in final.parent.iterdir()] == ["table.csv"]


def test_a_failure_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    final = tmp_path / "table.csv"
    final.write_text("old")
    with pytest.raises(RuntimeError, match="in the middle"), atomic_path(final) as temporary:
        temporary.write_text("half")
        raise RuntimeError("in the middle")
    assert final.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_a_kill_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    final = tmp_path / "weights.safetensors"
    code = (
        "import sys, time\n"
        "from remerge.run.atomic import atomic_path, remove_leftovers\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(60)\n"
    )
    root = Path(__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", code, str(final)], stdout=subprocess.PIPE, cwd=root, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
    assert not final.exists()


def test_others_may_read_the_file_as_the_umask_says(tmp_path: Path) -> None:
    final = tmp_path / "table.csv"
    umask = os.umask(0o022)
    try:
        with atomic_path(final) as temporary:
            temporary.write_text(str(time.time()))
    finally:
        os.umask(umask)
    assert final.stat().st_mode & 0o777 == 0o644


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in ("a/.partial-x.csv", "a/b/.partial-y", "a/kept.csv", ".hidden"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [".hidden", "kept.csv"]
