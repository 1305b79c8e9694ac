"""Every configuration that is shipped has a plan: its rules, inputs and parameters fit together."""

import shutil
from pathlib import Path

import pytest
import yaml
from project import ROOT, copy_project, planned

CONFIGURATIONS = sorted((ROOT / "config").glob("*.yaml"))


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the default configuration, and with images for the one that is given folders."""
    folder = copy_project(tmp_path_factory.mktemp("shipped"))
    shutil.copy2(ROOT / "config.yaml", folder)
    for task in yaml.safe_load((ROOT / "config" / "check-clip.yaml").read_text(encoding="utf-8"))["tasks"].values():
        shutil.copytree(folder / "shapes", folder / task["folder"])
    return folder


@pytest.mark.parametrize("path", [None, *CONFIGURATIONS], ids=["default", *(path.stem for path in CONFIGURATIONS)])
def test_every_shipped_configuration_has_a_plan(shipped: Path, path: Path | None) -> None:
    jobs = planned(shipped, *(("--configfile", str(path), "--") if path else ()))
    assert jobs.keys() >= {"merge", "score", "figure", "main_table", "report_page"}
