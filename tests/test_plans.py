"""Every configuration that is shipped has a plan: its rules, inputs and parameters fit together."""

import runpy
import shutil
from pathlib import Path

import pytest
from project import ROOT, copy_project, planned

CONFIGURATIONS = sorted((ROOT / "config").glob("*.yaml"))


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the default configuration, and the image folders that `make check-clip` writes."""
    folder = copy_project(tmp_path_factory.mktemp("shipped"))
    shutil.copy2(ROOT / "config.yaml", folder)
    runpy.run_path(str(ROOT / "benchmarks" / "small_folders.py"))["write_folders"](folder / "results" / "check-clip")
    return folder


@pytest.mark.parametrize("path", [None, *CONFIGURATIONS], ids=["default", *(path.stem for path in CONFIGURATIONS)])
def test_every_shipped_configuration_has_a_plan(shipped: Path, path: Path | None) -> None:
    jobs = planned(shipped, *(("--configfile", str(path), "--") if path else ()))
    assert jobs.keys() >= {"merge", "score", "figure", "main_table", "report_page"}
