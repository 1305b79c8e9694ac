"""The wheel, installed into an empty folder, works without the checkout and without the workflow's packages."""

import json
import os
import re
import runpy
import subprocess
import sys
import zipfile
from email.parser import Parser
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from project import ROOT
from test_claims import results_of

from remerge.commands.claims import show_claims
from remerge.run import provenance
from remerge.run.archive import Job

BASE = {"torch", "numpy", "pyyaml", "safetensors", "threadpoolctl", "tqdm"}
SECTION = {"pool": "p", "suite": "s", "tables": {}}

BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (file,) = folder.iterdir()
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel installed and nothing else, in somebody's repository."""
    folder = tmp_path_factory.mktemp("repository") / "installed"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a", "-C", str(folder.parent)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "a"], check=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*pip, "--target", str(folder), str(wheel)], check=True)
    return folder


@pytest.fixture(scope="module")
def base_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder by which Python finds no package but the base dependencies and what they require."""
    wanted, waiting = set[str](), list(BASE)
    while waiting:
        name = normal(waiting.pop())
        if name not in wanted and (requires := requirements(name)) is not None:
            wanted.add(name)
            waiting += [each.name for each in requires if each.marker is None or each.marker.evaluate({"extra": ""})]
    packages = metadata.packages_distributions()
    blocked = {top for top, names in packages.items() if not wanted & {normal(name) for name in names}} - {"remerge"}
    assert {"pandas", "snakemake", "matplotlib", "PIL", "scipy", "open_clip", "pydantic"} <= blocked
    folder = tmp_path_factory.mktemp("blocker")
    (folder / "sitecustomize.py").write_text(BLOCKER.format(blocked=blocked))
    return folder


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(name: str) -> list[Requirement] | None:
    try:
        return [Requirement(each) for each in metadata.requires(name) or []]
    except metadata.PackageNotFoundError:
        return None


def run(folder: Path, *command: str | Path, paths: list[Path]) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder with further packages to be found, and the first one's commands."""
    found = {
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PATH": f"{paths[0] / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }
    return subprocess.run(command, cwd=folder, env=os.environ | found, capture_output=True, text=True, check=False)


def test_pip_installs_six_packages_unless_more_is_asked_for(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        (name,) = [name for name in packed.namelist() if name.endswith(".dist-info/METADATA")]
        described = Parser().parsestr(packed.read(name).decode())
    required = [Requirement(line) for line in described.get_all("Requires-Dist", [])]
    assert {each.name for each in required if each.marker is None} == BASE
    assert all(each.marker is None or "extra ==" in str(each.marker) for each in required)
    workflow = {each.name for each in required if each.marker and each.marker.evaluate({"extra": "workflow"})}
    assert {"snakemake", "pandas", "matplotlib", "open-clip-torch", "pydantic"} <= workflow


def test_the_library_and_its_command_need_the_base_dependencies_only(
    installed: Path, base_only: Path, tmp_path: Path
) -> None:
    script = Path(__file__).with_name("library_user.py").read_text(encoding="utf-8")
    user = run(tmp_path, sys.executable, "-c", script, paths=[installed, base_only])
    assert user.returncode == 0, user.stderr
    assert user.stdout == "ties of 2 checkpoints, scaling 1, in merged\nties of 2 checkpoints, scaling 1, in planned\n"
    where = run(tmp_path, sys.executable, "-c", "import remerge; print(remerge.__file__)", paths=[installed, base_only])
    assert Path(where.stdout.strip()) == installed / "remerge" / "__init__.py"


def test_help_lists_every_command_without_importing_torch(installed: Path, base_only: Path, tmp_path: Path) -> None:
    paths = [installed, base_only]
    shown = run(tmp_path, "remerge", "--help", paths=paths)
    assert shown.returncode == 0, shown.stderr
    for command in ("merge", "results", "claims", "provenance", "archive", "rebuild", "mend", "doctor"):
        assert re.search(rf"^  {command}  +\w", shown.stdout, re.MULTILINE), command
    assert run(tmp_path, sys.executable, "-m", "remerge", "--help", paths=paths).stdout == shown.stdout
    imports = run(tmp_path, sys.executable, "-X", "importtime", "-m", "remerge", "--help", paths=paths)
    modules = {line.rpartition("|")[2].strip() for line in imports.stderr.splitlines()}
    assert "remerge.commands" in modules
    assert not modules & {"torch", "numpy", "pydantic", "tqdm", "safetensors", "yaml"}


def test_a_command_that_needs_more_names_what_to_install(installed: Path, base_only: Path, tmp_path: Path) -> None:
    results_of(tmp_path, ["a", "b"], [])
    (tmp_path / "a.zip").touch()
    for command in (["claims"], ["rebuild", "a.zip", "--out", "again"]):
        refused = run(tmp_path, "remerge", *command, paths=[installed, base_only])
        needed = f"error: remerge {command[0]} needs the workflow's packages: pip install 'remerge[workflow]' ("
        assert refused.returncode == 1
        assert refused.stderr.startswith(needed), refused.stderr
        assert not (tmp_path / "again").exists()


def test_doctor_says_that_it_needs_a_checkout(installed: Path, base_only: Path, tmp_path: Path) -> None:
    refused = run(tmp_path, "remerge", "doctor", paths=[installed, base_only])
    assert refused.returncode == 1
    assert "run `remerge doctor` in a checkout" in refused.stderr


def test_claims_are_judged_and_tables_made_again_without_the_checkout(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = results_of(tmp_path, ["a", "b"], ["a", "b"])
    monkeypatch.chdir(tmp_path)
    declared = json.loads(provenance.record_of(results / "p/tables/s/claims.csv").read_text())
    job = {
        "rule": "claims_table",
        "script": "scripts/claims_table.py",
        "code": "",
        "wildcards": {"pool": "p", "suite": "s"},
        "input": declared["input"] | {"claims": "published/claims.yaml", "measured": "published/methods.yaml"},
        "output": {"csv": "results/p/tables/s/claims.csv", "markdown": "results/p/tables/s/claims.md"},
        "parameters": declared["parameters"] | {"described": {}, "tasks": ["x"], "reads": "images"},
    }
    runpy.run_path(str(ROOT / job["script"]), init_globals={"snakemake": Job(job, ROOT)})
    report = {"rule": "report_page", "output": {"": ["results/report.html"]}, "input": job["output"]}
    provenance.record(Job(job | report | {"parameters": {"sections": [SECTION]}}, ROOT))
    judged = run(tmp_path, "remerge", "claims", paths=[installed])
    assert judged.stdout == show_claims(Path("results"), ROOT / "published" / "claims.yaml") + "\n"
    assert (results / "p/tables/s/claims.md").read_text() in judged.stdout
    assert run(tmp_path, "remerge", "archive", "a.zip", paths=[installed]).returncode == 0
    again = run(tmp_path, "remerge", "rebuild", "a.zip", "--out", "again", paths=[installed])
    assert again.stdout == "2 files of tables and figures rebuilt, identical byte for byte\n", again.stderr
    record = json.loads(provenance.record_of("again/results/p/tables/s/claims.csv").read_text())
    assert record["input"]["claims"] == "published/claims.yaml"
    assert record["commit"] == "unknown"
