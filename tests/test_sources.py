"""A stage depends on the files its script imports, through any number of modules, and on no others."""

from pathlib import Path

import pytest

from remerge.run.sources import read_source, source_files

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


PARTS = '''"""Some functions."""

from typing import TYPE_CHECKING

from remerge.package import lower, other

if TYPE_CHECKING:
    from remerge.unused import hint

LIMIT = 2


class Settings:
    size: int = LIMIT


def helper():
    return LIMIT


def makes(settings: "Settings"):
    from remerge.upper import work
    return helper() + work()


def shows(settings: Settings):
    return lower
'''


def test_of_a_file_one_function_needs_only_what_it_names(project: Path) -> None:
    (project / "remerge/parts.py").write_text(PARTS)
    makes, shows = (read_source(f"remerge/parts.py:{name}", project) for name in ("makes", "shows"))
    assert [name in makes for name in ("def makes", "def helper", "LIMIT = 2")] == [True] * 3
    assert [name in makes for name in ("def shows", "class Settings", "package")] == [False] * 3
    # An annotation that is no text is a name like any other.
    assert [name in shows for name in ("def shows", "class Settings", "LIMIT = 2", "package")] == [True] * 4
    assert [name in shows for name in ("def makes", "def helper", "remerge.upper")] == [False] * 3
    with pytest.raises(ValueError, match=r"remerge/parts\.py: defines no nothing"):
        read_source("remerge/parts.py:nothing", project)
    files = {path.as_posix() for path in source_files("remerge/parts.py:makes", project)}
    assert files == {
        *("remerge/__init__.py", "remerge/package/__init__.py", "remerge/package/lower.py", "remerge/upper.py"),
        "remerge/parts.py:makes",
    }


def test_tables_do_not_depend_on_what_runs_models() -> None:
    files = {path.as_posix() for path in source_files("scripts/main_table.py", ROOT)}
    assert "remerge/findings/tables.py" in files
    assert not {name for name in files if "merging" in name or "training" in name}


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.py")), ids=lambda path: path.stem)
def test_every_script_is_found_with_its_library_files(script: Path) -> None:
    files = source_files(script.relative_to(ROOT), ROOT)
    assert Path("remerge/run/logs.py") in files
    assert script.relative_to(ROOT) in files
