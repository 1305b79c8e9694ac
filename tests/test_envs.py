"""Both ways to install give the same versions."""

import runpy
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FROM_LOCK = runpy.run_path(str(ROOT / "envs" / "from_lock.py"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FROM_LOCK["ROOTS"])
def test_the_environment_is_what_the_lock_gives(name: str) -> None:
    written = (ROOT / "envs" / f"{name}.yaml").read_text(encoding="utf-8")
    assert written == FROM_LOCK["environment"](LOCK, FROM_LOCK["ROOTS"][name]), "run `make lock`"


@pytest.mark.parametrize("name", FROM_LOCK["ROOTS"])
def test_the_environment_names_its_roots_and_what_they_need(name: str) -> None:
    dependencies = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())["dependencies"]
    pins = {pin.split("==")[0] for pin in dependencies[-1]["pip"]}
    assert set(FROM_LOCK["ROOTS"][name]) <= pins
    assert {"torch": "filelock", "light": "contourpy"}[name] in pins
    assert ("torch" in pins) == (name == "torch")


def test_every_rule_names_an_environment_that_exists() -> None:
    for rules in (ROOT / "workflow" / "rules").glob("*.smk"):
        for line in rules.read_text(encoding="utf-8").splitlines():
            if "/envs/" in line:
                assert (rules.parent / line.strip().strip('"')).is_file(), f"{rules.name}: {line}"


def test_the_lock_has_hashes_and_names_no_host() -> None:
    assert "--hash=sha256:" in LOCK
    assert "://" not in LOCK.replace("# via", "")


def test_tests_run_on_the_versions_that_results_are_made_with() -> None:
    pins, _ = FROM_LOCK["read_lock"](LOCK)
    tested, _ = FROM_LOCK["read_lock"]((ROOT / "requirements-dev.lock").read_text(encoding="utf-8"))
    assert {name: tested.get(name) for name in pins} == pins, "run `make lock`"
