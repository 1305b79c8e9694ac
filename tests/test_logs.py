"""Messages reach the log; progress bars do not fill it."""

import io
import itertools
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from project import copy_project, snakemake

from remerge.run import logs
from remerge.run.heartbeat import Heartbeat
from remerge.run.logs import log_to
from remerge.run.progress import ProgressBar

ROOT = Path(__file__).parent.parent


def test_messages_and_tracebacks_reach_log_and_terminal(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "job.log"
    code = (
        "import sys\n"
        "from remerge.run.logs import log_to\n"
        "log_to(sys.argv[1])\n"
        "print('reading', file=sys.stderr)\n"
        "sys.stderr.write('\\r 50%')\n"
        "raise ValueError('the key')\n"
    )
    run = subprocess.run([sys.executable, "-c", code, str(log)], cwd=ROOT, capture_output=True, text=True)
    assert "reading" in run.stderr
    assert "50%" not in run.stderr
    assert "ValueError: the key" in run.stderr
    written = log.read_text()
    assert "reading" in written
    assert "ValueError: the key" in written
    assert "50%" not in written


def test_bars_within_bars_leave_no_empty_lines(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from remerge.run.logs import log_to\n"
        "from tqdm import tqdm\n"
        "log_to(sys.argv[1])\n"
        "for _ in tqdm(range(3), mininterval=0):\n"
        "    for _ in tqdm(range(3), mininterval=0):\n"
        "        pass\n"
        "print('first\\n\\nsecond', file=sys.stderr)\n"
    )
    log = tmp_path / "job.log"
    run = subprocess.run([sys.executable, "-c", code, str(log)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stderr == log.read_text() == "first\n\nsecond\n"


def test_a_line_after_every_tenth_and_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    ticks = itertools.count()
    bar = ProgressBar(range(1000), desc="learn", unit="step", clock=lambda: next(ticks) / 1000)
    for step in bar:
        bar.set_postfix(loss=f"{step / 1000:.3f}")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    pattern = r"\d\d:\d\d:\d\d learn  100/1000 step, [\d.k]+ step/s, \d+ s left, loss=0.099"
    assert re.fullmatch(pattern, lines[0]), lines[0]
    assert "1000/1000 step" in lines[-1]
    assert "0 s left, loss=0.999" in lines[-1]


def test_slow_work_is_heard_of_every_half_minute(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    bar = ProgressBar(total=10_000, initial=5000, desc="slow", unit="step", clock=lambda: now)
    for _ in range(12):
        now += 10
        bar.update()
    lines = capsys.readouterr().err.splitlines()
    bar.close()
    assert [line.split("  ")[1].split(" ")[0] for line in lines] == [f"{n}/10000" for n in (5003, 5006, 5009, 5012)]
    assert "10 s/step, 13.9 h left" in lines[-1]


def test_disabled_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(ProgressBar(range(3), disable=True)) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_silence_is_broken_every_half_minute_until_the_job_ends() -> None:
    now, heard, said = 0.0, 0.0, []
    heartbeat = Heartbeat(lambda: heard, lambda busy: said.append(now), clock=lambda: now)
    for now in range(0, 200, 10):
        if now == 100:
            heard = 100.0
        # It is called again when it asked to be.
        wait = heartbeat.beat()
        assert 0 < wait <= 30
        heard = max(heard, *said, 0) if said else heard
    assert said == [30, 60, 90, 130, 160, 190]
    heartbeat.stop()
    assert not heartbeat._thread.is_alive()


def test_a_job_that_fails_is_silent_before_the_interpreter_ends() -> None:
    code = (
        "import atexit\n"
        "from remerge.run.heartbeat import Heartbeat\n"
        "atexit.register(lambda: print(heartbeat._thread.is_alive()))\n"
        "heartbeat = Heartbeat(lambda: 0, print)\n"
        "raise ValueError\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout == "False\n"


def line_with(path: Path, text: str) -> str:
    """The first line of a log with a text, once it is there."""
    for _ in range(1000):
        if found := [line for line in path.read_text().splitlines() if text in line]:
            return found[0]
        time.sleep(0.02)
    raise AssertionError(f"no line with {text!r}: {path.read_text()}")


@pytest.mark.parametrize("terminal", [False, True])
def test_a_long_step_is_heard_of_while_it_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    shown = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr(logs, "SECONDS", 0.01)
    job = SimpleNamespace(rule="learn", wildcards={}, threads=1)
    log_to(tmp_path / "job.log")
    logs.started(job, [], 1)
    print("reading weights", file=sys.stderr)
    assert "(running for 0 s, " in line_with(tmp_path / "job.log", 'nothing new for 0 s since "reading weights"')
    with ProgressBar(total=3, desc="learn", unit="step") as bar:
        bar.update()
        line = line_with(tmp_path / "job.log", "into the next step")
        assert re.search(r"learn  1/3 step, .*; 0 s into the next step \(running for .* cores busy, ", line)
        # A line would tear apart the bar on a terminal.
        assert ("into the next step" in shown.getvalue()) is not terminal
    logs.ended(job)
    assert (tmp_path / "job.log").read_text().splitlines()[-1].startswith("end: learn, ")
    assert not logs._heartbeat._thread.is_alive()  # type: ignore[union-attr]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_the_bar_and_its_log_the_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    log_to(tmp_path / "job.log")
    list(ProgressBar(range(4), desc="learn", unit="step"))
    assert "\rlearn: 100%" in terminal.getvalue()
    assert "4/4 step, " not in terminal.getvalue()
    lines = (tmp_path / "job.log").read_text().splitlines()
    assert [line.split("  ")[1].split(",")[0] for line in lines] == [f"{n}/4 step" for n in (1, 2, 3, 4)]


def test_jobs_tell_of_start_inputs_progress_and_end(tmp_path: Path) -> None:
    folder = copy_project(tmp_path / "project")
    printed = snakemake(folder, "results/images/32/audit.csv")
    logs = {path: path.read_text(encoding="utf-8") for path in folder.glob("logs/**/*.log")}
    assert len(logs) > 1
    for path, text in logs.items():
        lines = text.splitlines()
        assert re.match(r"start: \w+.*, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", lines[0]), path
        assert re.match(r"inputs: \d+ files?", lines[1]), path
        assert re.fullmatch(r"end: \w+, [\d.]+ s, peak memory [\d.]+ [MG]B", lines[-1]), path
        assert lines[0] in printed
        assert "" not in lines
    assert any(re.search(r"(\d+)/\1 image, .* 0 s left", text) for text in logs.values())
