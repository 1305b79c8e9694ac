"""A digest of code changes with what the code does, and not with its words."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from remerge.run.code import BOOKKEEPING, code_digest
from remerge.run.progress import ProgressBar
from remerge.run.sources import source_files

ROOT = Path(__file__).parent.parent

LOWER = '''"""What this is."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field

from remerge.methods.parameters import parameter
from remerge.run.progress import ProgressBar


@dataclass
class Pair:
    """Two numbers."""

    first: int
    second: float = 1.0


class Parameters(BaseModel):
    effort: int = Field(3, ge=1, description="How hard.")
    keep: float = parameter(0.2, gt=0, description="The share kept.")


def work(values: Sequence[int], power: int = 2) -> list[int]:
    """Do the work."""
    found: list[int] = []
    # Each in turn.
    for value in ProgressBar(values, desc="work", unit="value"):
        if value < 0:
            raise ValueError(f"{value} is negative") from None
        found.append(value**power)
    print(f"{len(found)} values", file=sys.stderr)
    return found
'''

WORDS = {
    "a comment": ("# Each in turn.", "# One after the other."),
    "no comment": ("    # Each in turn.\n", ""),
    "a docstring": ('"""Do the work."""', '"""Do it.\n\n    At length.\n    """'),
    "a module's docstring": ('"""What this is."""', '"""What it is."""'),
    "a class's docstring": ('"""Two numbers."""', '"""A pair."""'),
    "a message": ('f"{len(found)} values"', 'f"{len(found)} numbers of {len(values)}"'),
    "one more message": ("    return found", '    print("done")\n    return found'),
    "an error's text": ('f"{value} is negative"', 'f"value: {value}", "must not be negative"'),
    "an error's cause": (" from None", ""),
    "a progress bar's name": ('desc="work", unit="value"', 'desc="all work"'),
    "formatting": ("def work(values: Sequence[int], ", "def work(\n    values: Sequence[int],\n    "),
    "quotes": ('"work"', "'work'"),
    "an annotation": ("values: Sequence[int]", "values: Sequence[float]"),
    "an annotation and its import": ("Sequence", "Iterable"),
    "a local annotation": ("found: list[int] = []", "found = []"),
    "a parameter's description": ('description="How hard."', 'description="How hard it works."'),
    "a method's parameter's description": ('description="The share kept."', 'description="What is kept."'),
    "the order of imports": (
        "import sys\nfrom collections.abc import Sequence\n",
        "from collections.abc import Sequence\nimport sys\n",
    ),
}
DEEDS = {
    "a parameter's bound": ("ge=1", "ge=2"),
    "a method's parameter's bound": ("gt=0", "gt=0.1"),
    "an operator": ("value**power", "value*power"),
    "a default": ("power: int = 2", "power: int = 3"),
    "a condition": ("value < 0", "value <= 0"),
    "a kind of error": ("raise ValueError", "raise TypeError"),
    "a field's type": ("first: int", "first: float"),
    "a field's default": ("second: float = 1.0", "second: float = 2.0"),
    "the order of fields": ("    first: int\n    second: float = 1.0", "    second: float = 1.0\n    first: int"),
    "an import": ("import sys\n", "import sys\nfrom remerge.other import hook\n"),
    "what a name stands for": ("from dataclasses import dataclass", "from remerge.other import hook as dataclass"),
    "a print to a file": ("file=sys.stderr", "file=result"),
    "one statement less": ("        found.append(value**power)\n", ""),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "scripts/run.py": "from remerge.lower import work\n\nprint(work(snakemake.input))\n",
        "remerge/__init__.py": '__version__ = "1"\n',
        "remerge/lower.py": LOWER,
        "remerge/other.py": "def hook():\n    return 1\n",
        "remerge/run/progress.py": "def ProgressBar(values, **shown):\n    return values\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize("change", WORDS)
def test_words_leave_the_digest_as_it_is(project: Path, change: str) -> None:
    before = code_digest(["scripts/run.py"], project)
    edit(project / "remerge/lower.py", *WORDS[change])
    assert code_digest(["scripts/run.py"], project) == before


@pytest.mark.parametrize("change", DEEDS)
def test_deeds_change_the_digest(project: Path, change: str) -> None:
    before = code_digest(["scripts/run.py"], project)
    edit(project / "remerge/lower.py", *DEEDS[change])
    assert code_digest(["scripts/run.py"], project) != before


def test_bookkeeping_and_modules_that_are_not_imported_do_not_count(project: Path) -> None:
    before = code_digest(["scripts/run.py"], project)
    (project / "remerge/__init__.py").write_text('__version__ = "2"\n')
    (project / "remerge/run/progress.py").write_text("def ProgressBar(values, **shown):\n    yield from values\n")
    (project / "remerge/other.py").write_text("def hook():\n    return 2\n")
    assert code_digest(["scripts/run.py"], project) == before
    assert code_digest(["scripts/run.py", "remerge/other.py"], project) != before


def test_the_digest_of_a_function_changes_with_what_it_needs(project: Path) -> None:
    path = project / "remerge/other.py"
    path.write_text("SIZE = 1\n\n\ndef hook():\n    return SIZE\n\n\ndef other():\n    return 2\n")
    before = code_digest(["scripts/run.py", "remerge/other.py:hook"], project)
    edit(path, "return 2", "return 3")
    assert code_digest(["scripts/run.py", "remerge/other.py:hook"], project) == before
    edit(path, "SIZE = 1", "SIZE = 2")
    assert code_digest(["scripts/run.py", "remerge/other.py:hook"], project) != before


def test_the_digest_is_the_same_on_every_version_of_python_and_in_every_process(project: Path) -> None:
    expected = "334df7dbf8e28e2d8bd4a41d25d1026b83aee3e971949cdfc5172014fec3c73e"
    assert code_digest(["scripts/run.py"], project) == expected
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            f"from remerge.run.code import code_digest; print(code_digest(['scripts/run.py'], {str(project)!r}))",
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == expected


def covered() -> list[Path]:
    """Every file that some digest covers."""
    folders = ("remerge/figures", "remerge/methods", "remerge/merging", "remerge/studies", "scripts")
    paths = [path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).glob("*.py")]
    return sorted({file for path in paths for file in source_files(path, ROOT, BOOKKEEPING)})


# Places, no values: where records lie that the report counts versions in, and that are no part of a model.
PLACES = {"FOLDER", "MERGE_RECORD"}


@pytest.mark.parametrize("path", covered(), ids=str)
def test_nothing_that_bookkeeping_returns_reaches_a_result(path: Path) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    modules = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in BOOKKEEPING}
    functions: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in modules:
            functions |= {alias.asname or alias.name for alias in node.names} - PLACES
        elif isinstance(node, ast.Import):
            assert not modules & {alias.name for alias in node.names}
    # An error is raised, caught or derived from; a bar and a job pass on what they are given.
    functions = {name for name in functions if not name.endswith("Error") and name not in ("ProgressBar", "job")}
    uses = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in functions]
    # A call whose value is dropped is all that is left.
    alone = [
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        for name in ast.walk(node.value.func)
    ]
    assert not [ast.unparse(node) for node in uses if node not in alone], "a value of bookkeeping is used"


def test_a_progress_bar_passes_on_what_it_goes_through() -> None:
    assert list(ProgressBar(range(5), desc="numbers")) == [0, 1, 2, 3, 4]


def test_bookkeeping_is_there() -> None:
    assert [name for name in BOOKKEEPING if not (ROOT / name).is_file()] == []
