"""A stage depends on the files its script imports, through any number of modules, and on no others."""

from pathlib import Path

import pytest

from remerge.run.sources import source_files

ROOT = Path(__file__).parent.parent


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "scripts/run.py": "import numpy\nfrom remerge.upper import work\n",
        "remerge/__init__.py": "if TYPE_CHECKING:\n    from remerge.unused import hint\n",
        "remerge/upper.py": "def work():\n    from remerge.package import lower\n    return lower\n",
        "remerge/package/__init__.py": "",
        "remerge/package/lower.py": "import remerge.upper\n",
        "remerge/package/other.py": "",
        "remerge/unused.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_imports_are_followed_through_functions_packages_and_circles(project: Path) -> None:
    assert [path.as_posix() for path in source_files("scripts/run.py", project)] == [
        "remerge/__init__.py",
        "remerge/package/__init__.py",
        "remerge/package/lower.py",
        "remerge/upper.py",
        "scripts/run.py",
    ]


def test_tables_do_not_depend_on_what_runs_models() -> None:
    files = {path.as_posix() for path in source_files("scripts/main_table.py", ROOT)}
    assert "remerge/findings/tables.py" in files
    assert not {name for name in files if "merging" in name or "training" in name}


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.py")), ids=lambda path: path.stem)
def test_every_script_is_found_with_its_library_files(script: Path) -> None:
    files = source_files(script.relative_to(ROOT), ROOT)
    assert Path("remerge/run/logs.py") in files
    assert script.relative_to(ROOT) in files
