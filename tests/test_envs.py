"""Both ways to install give the same versions."""

import itertools
import re
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
FROM_LOCK = runpy.run_path(str(ROOT / "envs" / "from_lock.py"))
CHECK = runpy.run_path(str(ROOT / "envs" / "check_installed.py"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
# The newest of each minor version when the lock was made.
PYTHONS = ["3.11.15", "3.12.13", "3.13.12"]
MACHINES = [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64")]


def versions(pins: list[str], python: str, platform: str, machine: str) -> dict[str, str]:
    """What pip installs of pinned requirements under one Python."""
    markers = {
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
        "sys_platform": platform,
        "platform_system": platform.title(),
        "platform_machine": machine,
    }
    held = list(CHECK["holding"](pins, markers))
    twice = [name for name, count in Counter(pin.name for pin in held).items() if count > 1]
    assert not twice, f"{twice} are pinned more than once for Python {python} on {platform}"
    return {pin.name: str(pin.specifier) for pin in held}


def locked_pins() -> list[str]:
    return [pin for pins in FROM_LOCK["read_lock"](LOCK)[0].values() for pin in pins]


def pins_of(name: str) -> tuple[str, list[str]]:
    """The minor version of Python that an environment pins, and what pip is to install."""
    dependencies = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text(encoding="utf-8"))["dependencies"]
    (python,) = [each.removeprefix("python=") for each in dependencies if str(each).startswith("python=")]
    return python, dependencies[-1]["pip"]


@pytest.mark.parametrize(("platform", "machine"), MACHINES)
@pytest.mark.parametrize("name", FROM_LOCK["ROOTS"])
def test_an_environment_gets_what_the_lock_gives_its_python(name: str, platform: str, machine: str) -> None:
    minor, pins = pins_of(name)
    (python,) = [each for each in PYTHONS if each.startswith(f"{minor}.")]
    own = versions(pins, python, platform, machine)
    locked = versions(locked_pins(), python, platform, machine)
    assert own == {package: locked[package] for package in own}
    assert set(FROM_LOCK["ROOTS"][name]) <= set(own)


@pytest.mark.parametrize(("python", "machine"), list(itertools.product(PYTHONS, MACHINES)))
def test_the_lock_gives_every_package_one_version(python: str, machine: tuple[str, str]) -> None:
    pins = locked_pins()
    found = versions(pins, python, *machine)
    several = {name for name, count in Counter(Requirement(pin).name for pin in pins).items() if count > 1}
    unconditional = {pin.name for pin in map(Requirement, pins) if pin.marker is None}
    assert "scipy" in several
    assert several | unconditional <= set(found)


def test_pins_of_other_pythons_are_no_fault() -> None:
    pins = ["a-b==1.0", "c==1 ; python_version < '3'", "c==2 ; python_version >= '3'", "d==1 ; sys_platform == 'none'"]
    assert list(CHECK["faults"](pins, {"a-b": "1.0+cpu", "c": "2"})) == []
    assert list(CHECK["faults"](pins, {"c": "1"})) == [
        "a-b==1.0 is pinned, nothing is installed",
        "c==2 is pinned, 1 is installed",
    ]


def test_the_workflow_checks_what_conda_installed(tmp_path: Path) -> None:
    workflow = (ROOT / ".github" / "workflows" / "tests.yaml").read_text(encoding="utf-8")
    script = re.search(r'bin/python" (\S+) "\$file"', workflow)
    assert script
    installed = {name: pins for name, pins in FROM_LOCK["read_lock"](LOCK)[0].items() if name in ("numpy", "scipy")}
    file = tmp_path / "env.yaml"

    def check(pins: list[str]) -> subprocess.CompletedProcess[str]:
        file.write_text(yaml.safe_dump({"dependencies": ["python=3.11", {"pip": pins}]}), encoding="utf-8")
        command = [sys.executable, str(ROOT / script[1]), str(file)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    good = check([pin for pins in installed.values() for pin in pins])
    assert (good.returncode, good.stderr) == (0, "")
    bad = check(["numpy==0.1"])
    assert bad.returncode == 1
    assert re.search(r"differs from .*env\.yaml:\n  numpy==0\.1 is pinned, [\d.]+ is installed", bad.stderr)


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
