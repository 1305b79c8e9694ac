"""A job has a log, refuses damaged inputs, and leaves a record of what it made if, and only if, it succeeds."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT

from remerge.errors import RemergeError
from remerge.run.archive import Job
from remerge.run.job import job
from remerge.run.provenance import read_record, record_of

SOURCE = "results/images/a.csv"
TARGET = "results/mini/scores/a.csv"


@pytest.fixture
def snakemake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """What Snakemake hands to a script that makes one file from another."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    for path in (SOURCE, TARGET):
        Path(path).parent.mkdir(parents=True)
    Path(SOURCE).write_text("pixels")
    return job_of(SOURCE, TARGET)


def job_of(source: str, target: str) -> Job:
    told = {
        "rule": "score",
        "script": "scripts/score.py",
        "code": "c0de",
        "input": {"data": source},
        "output": {"": [target]},
        "parameters": {"seed": 3},
        "wildcards": {"pool": "p"},
    }
    made = Job(told, Path())
    made.log = ["logs/score.log"]
    return made


def test_a_job_passes_on_what_snakemake_hands_to_its_script(snakemake: Job) -> None:
    with job(snakemake) as (inputs, outputs, params, wildcards):
        Path(outputs[0]).write_text(Path(inputs.data).read_text())
    handed = (snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards)
    assert all(one is other for one, other in zip((inputs, outputs, params, wildcards), handed, strict=True))


def test_a_job_that_succeeds_has_a_log_and_a_record(snakemake: Job) -> None:
    with job(snakemake):
        print("scoring", file=sys.stderr)
        assert read_record(TARGET) is None
        Path(TARGET).write_text("scores")
    lines = Path("logs/score.log").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["start: score", "inputs: 1 file", "scoring", "end: score"]
    record = json.loads(record_of(TARGET).read_text())
    assert (record["rule"], record["parameters"], list(record["inputs"])) == ("score", {"seed": 3}, [SOURCE])


def test_a_job_that_fails_leaves_no_record_not_even_an_earlier_one(snakemake: Job) -> None:
    with job(snakemake):
        Path(TARGET).write_text("scores")
    assert record_of(TARGET).is_file()
    with pytest.raises(ValueError, match="no such class"), job(snakemake):
        Path(TARGET).write_text("half the sco")
        raise ValueError("no such class")
    assert not record_of(TARGET).exists()
    assert "end: " not in Path("logs/score.log").read_text()


def test_the_traceback_of_a_script_reaches_its_log_and_shows_only_the_script(snakemake: Job) -> None:
    code = (
        "from pathlib import Path\n"
        "from test_job import SOURCE, TARGET, job_of\n"
        "from remerge.run.job import job\n"
        "with job(job_of(SOURCE, TARGET)) as (inputs, outputs, params, wildcards):\n"
        "    raise ValueError('the key')\n"
    )
    Path("script.py").write_text(code)
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    run = subprocess.run([sys.executable, "script.py"], env=environment, capture_output=True, text=True)
    log = Path("logs/score.log").read_text()
    assert run.stderr == log
    traceback = log[log.index("Traceback") :]
    assert traceback.endswith("ValueError: the key\n")
    assert traceback.count("File ") == 1


def test_a_job_refuses_a_damaged_input_before_it_does_anything(snakemake: Job) -> None:
    with job(snakemake):
        Path(TARGET).write_text("scores")
    Path(TARGET).write_text("scorez")
    with pytest.raises(RemergeError, match=r"a\.csv: damaged since made, and set aside"):
        job(job_of(TARGET, "results/mini/tables/t.csv")).__enter__()
    assert Path(f"{TARGET}.damaged").read_text() == "scorez"
