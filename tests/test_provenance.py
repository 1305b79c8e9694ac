"""Records tell what a result came from; what is no longer what was made is noticed."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from project import ROOT

from remerge.errors import RemergeError
from remerge.run import archive, provenance
from remerge.run.archive import Files, Job, pack, rebuild, unpack

RULES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two jobs: a score made from an image file, and a table made from the score."""
    monkeypatch.chdir(tmp_path)
    for path, text in (("results/images/a.csv", "pixels"), ("scripts/score.py", "")):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    made("score", "results/images/a.csv", "results/mini/scores/a.csv", "score", {"seed": 3})
    made("table", "results/mini/scores/a.csv", "results/mini/tables/t.csv", "table", {"note": "x" * 1000})
    return tmp_path


def job(rule: str, source: str, target: str, parameters: dict[str, Any]) -> Job:
    told = {
        "rule": rule,
        "script": "scripts/score.py",
        "code": "c0de",
        "input": {"data": source},
        "output": {"": [target]},
        "parameters": parameters,
        "wildcards": {"pool": "p"},
    }
    return Job(told, Path())


def made(rule: str, source: str, target: str, text: str, parameters: dict[str, Any]) -> None:
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(target).write_text(text)
    provenance.record(job(rule, source, target, parameters))


def test_a_chain_goes_back_to_the_first_file(folder: Path) -> None:
    told = provenance.chain("results/mini/tables/t.csv")
    lines = [line.strip().split("  ")[0] for line in told.splitlines()]
    assert lines.index("results/mini/tables/t.csv") < lines.index("results/mini/scores/a.csv")
    assert lines.index("results/mini/scores/a.csv") < lines.index("results/images/a.csv")
    assert '"seed": 3' in told
    assert "CHANGED" not in told
    record = json.loads(Path("results/provenance/mini/scores/a.csv.json").read_text())
    assert {"commit", "remerge", "device", "python", "packages", "inputs"} <= record.keys()
    assert (record["script"], record["code"], record["parameters"]) == ("scripts/score.py", "c0de", {"seed": 3})
    assert "code c0de" in told


@pytest.mark.parametrize(
    "rule", ["fetch_checkpoint", "fetch_images", "fetch_torchvision", "download_legacy_checkpoint"]
)
def test_a_chain_ends_at_what_was_downloaded_from_wherever(folder: Path, rule: str) -> None:
    assert re.search(rf"^rule {rule}:", "".join(path.read_text() for path in RULES), re.MULTILINE)
    record = {"repository": "owner/name", "revision": "two", "files": {"one.bin": "abc"}, "missing": "but not all"}
    made(rule, "results/images/a.csv", "results/downloads/r.json", json.dumps(record), {})
    told = provenance.chain("results/downloads/r.json")
    assert "from owner/name at two" in told
    assert "one.bin  sha256 abc" in told
    assert "missing: but not all" in told


def test_a_reader_that_has_seen_enough_is_no_error(folder: Path) -> None:
    command = [sys.executable, "-m", "remerge", "provenance", "results/mini/tables/t.csv"]
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)})
    os.close(writing)
    assert (run.returncode, run.stderr) == (1, b"")


def test_what_changed_since_is_said(folder: Path) -> None:
    Path("results/mini/scores/a.csv").write_text("other")
    assert "CHANGED since it was used" in provenance.chain("results/mini/tables/t.csv")
    Path("results/images/a.csv").unlink()
    assert "no longer here" in provenance.chain("results/mini/tables/t.csv")
    with pytest.raises(RemergeError, match="no such file"):
        provenance.chain("results/nothing.csv")


@pytest.mark.parametrize("keeps_date", [False, True])
def test_a_damaged_input_is_refused_and_set_aside(folder: Path, keeps_date: bool) -> None:
    path = Path("results/mini/scores/a.csv")
    before = path.stat()
    path.write_text("scorf")
    if keeps_date:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(RemergeError, match=r"a\.csv: damaged since made, and set aside; run the same command again"):
        provenance.refuse_damaged([str(path)])
    assert not path.exists()
    assert Path(f"{path}.damaged").read_text() == "scorf"


def test_two_jobs_may_set_the_same_input_aside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "results/mini/scores/a.csv"
    Path(path).write_text("scorf")
    is_damaged = provenance.is_damaged

    def and_set_aside_by_another(path: str, *, thorough: bool) -> bool:
        damaged = is_damaged(path, thorough=thorough)
        provenance.set_aside([path])
        return damaged

    monkeypatch.setattr(provenance, "is_damaged", and_set_aside_by_another)
    with pytest.raises(RemergeError, match="damaged since made, and set aside"):
        provenance.refuse_damaged([path])
    assert Path(f"{path}.damaged").read_text() == "scorf"


def test_damage_is_found_before_anything_runs_and_a_new_date_alone_is_none(folder: Path) -> None:
    os.utime("results/mini/scores/a.csv", (1, 1))
    assert provenance.damaged_results("results") == []
    Path("results/mini/tables/t.csv").write_text("tabl")
    assert provenance.damaged_results("results") == ["results/mini/tables/t.csv"]


def test_what_was_set_aside_is_missing_until_it_is_made_again(folder: Path) -> None:
    path = Path("results/mini/tables/t.csv")
    provenance.set_aside([str(path)])
    assert provenance.damaged_results("results") == []
    assert provenance.missing_since_set_aside("results") == [str(path)]
    path.write_text("table")
    assert provenance.missing_since_set_aside("results") == []
    assert Path(f"{path}.damaged").is_file()


def test_an_unreadable_record_is_none(folder: Path) -> None:
    provenance.record_of("results/mini/tables/t.csv").write_text('{"sha256": ')
    assert provenance.read_record("results/mini/tables/t.csv") is None
    assert provenance.damaged_results("results") == []


def test_published_numbers_are_the_projects_when_tables_are_made_again() -> None:
    files = {"data": ["results/a.csv", "published/main.csv"], "claims": "published/claims.yaml"}
    told = {"rule": "r", "script": "", "code": "", "output": {}, "parameters": {}, "wildcards": {}, "input": files}
    placed = ["results/a.csv", "/project/published/main.csv", "/project/published/claims.yaml"]
    assert Job(told, Path("/project")).input == placed


def test_an_archive_makes_its_tables_again(folder: Path, tmp_path: Path) -> None:
    script = "from pathlib import Path\nPath(snakemake.output[0]).write_text(Path(snakemake.input.data).read_text())"
    Path("scripts/score.py").write_text(script)
    made("table", "results/mini/scores/a.csv", "results/mini/tables/t.csv", "score", {})
    made("report_page", "results/mini/tables/t.csv", "results/report.html", "report", {"sections": []})
    # Of an earlier configuration.
    made("table", "results/mini/scores/a.csv", "results/mini/tables/old.csv", "score", {})
    assert pack(Path("results"), Path("a.zip")) == 7
    with zipfile.ZipFile("a.zip") as packed:
        assert not [name for name in packed.namelist() if "old" in name]
    same, other = rebuild(Path("a.zip"), tmp_path / "again", tmp_path)
    assert (same, other) == (["results/mini/tables/t.csv"], [])
    Path("scripts/score.py").write_text(script + "\nPath(snakemake.output[0]).write_text('else')")
    assert rebuild(Path("a.zip"), tmp_path / "other", tmp_path) == ([], ["results/mini/tables/t.csv"])
    with pytest.raises(RemergeError, match="is there already"):
        unpack(Path("a.zip"), tmp_path / "other")


@pytest.mark.parametrize(
    "script", ["snakemake.params.kept", "snakemake.input.merged", "raise TypeError('no such field')"]
)
def test_an_archive_of_another_version_names_itself_and_the_version_that_can_rebuild_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(archive, "current_commit", lambda: "another")
    made("report_page", "results/mini/tables/t.csv", "results/report.html", "report", {"sections": []})
    pack(Path("results"), Path("a.zip"))
    Path("scripts/score.py").write_text(script)
    said = r"a\.zip: results/mini/tables/t\.csv: recorded by remerge \S+ at \S+, .*; rebuild .* with the version"
    with pytest.raises(RemergeError, match=said):
        rebuild(Path("a.zip"), tmp_path / "again", tmp_path)


def test_a_script_that_fails_on_an_archive_of_its_version_is_a_bug(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (provenance, archive):
        monkeypatch.setattr(module, "current_commit", lambda: "c0ffee")
    made("table", "results/mini/scores/a.csv", "results/mini/tables/t.csv", "score", {})
    made("report_page", "results/mini/tables/t.csv", "results/report.html", "report", {"sections": []})
    pack(Path("results"), Path("a.zip"))
    Path("scripts/score.py").write_text("snakemake.params.kept")
    with pytest.raises(AttributeError, match="kept"):
        rebuild(Path("a.zip"), tmp_path / "again", tmp_path)


@pytest.mark.parametrize("field", ["input", "script", "wildcards"])
def test_a_record_that_lacks_a_field_is_named(folder: Path, tmp_path: Path, field: str) -> None:
    made("report_page", "results/mini/tables/t.csv", "results/report.html", "report", {"sections": []})
    path = provenance.record_of("results/mini/tables/t.csv")
    record = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in record.items() if key != field}))
    pack(Path("results"), Path("a.zip"))
    said = rf"a\.zip: results/provenance/mini/tables/t\.csv\.json: has no {field}; rebuild .* with the version"
    with pytest.raises(RemergeError, match=said):
        rebuild(Path("a.zip"), tmp_path / "again", tmp_path)


def test_an_archive_without_records_of_its_tables_is_refused(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile("a.zip", "w") as packed:
        packed.write("results/mini/tables/t.csv")
    with pytest.raises(RemergeError, match=r"a\.zip: has no table or figure with a record"):
        rebuild(Path("a.zip"), tmp_path / "again", tmp_path)


@pytest.mark.parametrize("place", ["elsewhere", "project/runs", "."])
@pytest.mark.parametrize("absolute", [False, True])
def test_an_archive_of_a_run_in_any_folder_makes_its_tables_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, absolute: bool
) -> None:
    project = tmp_path / "project"
    script = "from pathlib import Path\nPath(snakemake.output[0]).write_text(Path(snakemake.input.data[1]).read_text())"
    for path, text in (
        ("scripts/score.py", script),
        ("published/main.csv", "paper"),
        (f"../{place}/results/a.csv", ""),
    ):
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    monkeypatch.chdir(tmp_path / place)
    monkeypatch.setattr(provenance, "ROOT", project)

    def named(path: str) -> str:
        return str(project / path) if absolute else os.path.relpath(project / path)

    table = Path("results/mini/tables/t.csv")
    files = {"data": ["results/a.csv", named("published/main.csv")]}
    code = {"script": "scripts/score.py", "code": "c0de"}
    told = {"rule": "t", "input": {}, "output": {"": [str(table)]}, "parameters": {}, "wildcards": {}, **code}
    own = Job(told, Path())
    own.input = Files(files)
    table.parent.mkdir(parents=True)
    table.write_text("paper")
    provenance.record(own)
    record = json.loads(provenance.record_of(table).read_text())
    assert record["script"] == "scripts/score.py"
    assert record["input"] == {"data": ["results/a.csv", "published/main.csv"]}
    assert "CHANGED" not in provenance.chain(table)
    assert "no longer here" not in provenance.chain(table)
    own.input, own.output = Files({"tables": [str(table)]}), Files({"": ["results/report.html"]})
    Path("results/report.html").write_text("report")
    provenance.record(own)
    pack(Path("results"), tmp_path / "a.zip")
    assert rebuild(tmp_path / "a.zip", tmp_path / "again", project) == ([str(table)], [])


def test_a_result_that_was_only_touched_is_read_no_more_once_its_record_has_the_date(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "results/mini/scores/a.csv"
    whole = provenance.untouched([path, "results/nothing.csv"])
    os.utime(path, (1, 1))
    assert (whole, provenance.untouched([path])) == ([path], [])
    before = provenance.read_record(path)
    provenance.redate(whole)
    after = provenance.read_record(path)
    assert before and after == before | {"mtime_ns": 10**9}
    monkeypatch.setattr(provenance, "_hash", None)
    assert not provenance.is_damaged(path)
    assert provenance.sha256_of(path) == after["sha256"]
