"""Every rule's conda environment is complete, and results are the same in it as outside."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT, copy_project, snakemake

pytestmark = pytest.mark.whole
SCRIPT = re.compile(
    r'^    conda:\n        "\.\./\.\./envs/(\w+)\.yaml".*?^    script:\n        "\.\./\.\./(scripts/\w+\.py)"',
    re.M | re.S,
)


def pairs() -> set[tuple[str, str]]:
    """Environment and script of every rule."""
    found = set()
    for rules in (ROOT / "workflow/rules").glob("*.smk"):
        for rule in re.split(r"^(?:use )?rule ", rules.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            found |= set(SCRIPT.findall(rule))
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose environments have been created by a stand-in for conda."""
    folder = copy_project(tmp_path_factory.mktemp("conda"))
    binaries = folder / "bin"
    binaries.mkdir()
    (binaries / "conda").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/tests/conda_double.py" "$@"\n')
    (binaries / "activate").write_text('export PATH="$1/bin:$PATH"\n')
    for name in ("conda", "activate"):
        (binaries / name).chmod(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{binaries}:{before}"
    try:
        snakemake(folder, "--sdm", "conda", "--conda-create-envs-only")
    finally:
        os.environ["PATH"] = before
    return folder


def test_every_script_imports_in_an_environment_of_its_rules_pins_alone(made: Path) -> None:
    files = (made / ".snakemake/conda").glob("*.yaml")
    environments = {"torch" if "torch==" in file.read_text() else "light": file.with_suffix("") for file in files}
    checked = pairs()
    assert {name for name, _ in checked} == set(environments) == {"torch", "light"}
    assert len(checked) >= 30
    for name, environment in environments.items():
        scripts = sorted(script for own, script in checked if own == name)
        run = subprocess.run(
            [environment / "bin" / "python", "-c", "\n".join(imports_of(ROOT / script) for script in scripts)],
            env={"PYTHONPATH": str(made), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, f"envs/{name}.yaml:\n{run.stderr}"


def imports_of(script: Path) -> str:
    """A script's import statements, each script's in a block that names it in a traceback."""
    body = ast.parse(script.read_text(encoding="utf-8")).body
    lines = [ast.unparse(node) for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    return f"def {script.stem}():\n    " + "\n    ".join(lines) + f"\n{script.stem}()"
