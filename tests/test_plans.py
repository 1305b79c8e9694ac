"""Every configuration that is shipped has a plan: its rules, inputs and parameters fit together."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from project import ROOT, copy_project, planned, snakemake

CONFIGURATIONS = sorted((ROOT / "config").glob("*.yaml"))
OF_TEXTS = {"mini-text", "flan-t5-base-lora", "flan-t5-large-lora"}


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
    score = "score_texts" if path and path.stem in OF_TEXTS else "score"
    assert jobs.keys() >= {"merge", score, "figure", "main_table", "report_page"}


def test_the_main_table_is_made_first(shipped: Path) -> None:
    """Whatever it needs goes before everything else, so that it is there early in a long run."""
    jobs = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", snakemake(shipped, "--dry-run"), re.MULTILINE)
    first = {rule for rule, job in jobs if "priority: highest" in job}
    assert first >= {"main_table", "audit_images", "finetune", "task_vector", "learn_coefficients", "merge", "score"}
    assert not first & {"study", "trajectory", "figure", "claims_table", "report_page"}
    assert {job for rule, job in jobs if rule == "sweep" and ("split=validation" in job) != ("highest" in job)} == set()
