"""A method of the user's own: its file is read, not run, before the first job; then run as any method."""

from pathlib import Path
from typing import Any

import pytest
import torch

from remerge.config.own_methods import faults_of
from remerge.errors import ParameterError
from remerge.merging.streaming import merged_by
from remerge.methods.own import merge_rule

FLIP = """
from remerge.merging.rules import MergeRule

class Flip(MergeRule):
    def __call__(self, place, entries):
        return -self.times * sum(entries)

def merge_rule(task_vectors, times=1.0):
    made = Flip()
    made.times = times
    return made
"""


@pytest.mark.parametrize(
    ("code", "arguments", "told"),
    [
        (None, {}, [("file", "cannot be read")]),
        ("def merge_rule(", {}, [("file", "not Python")]),
        ("\0", {}, [("file", "not Python")]),
        ("def rul(task_vectors): ...", {}, [("file", "defines no merge_rule(task_vectors, ...)")]),
        ("def merge_rule(): ...", {}, [("file", "defines no merge_rule(task_vectors, ...)")]),
        ("def merge_rule(v, times): ...", {"time": 1}, [("time", "did you mean 'times'"), ("times", "missing")]),
        ("def merge_rule(v, *, times): ...", {}, [("times", "missing")]),
        ("def merge_rule(v): ...", {"v": 1}, [("v", "is what the task vectors are passed as")]),
        ("def merge_rule(v, times=1, *, more=2): ...", {"times": 1, "more": 2}, []),
        ("def merge_rule(v, **anything): ...", {"times": 1}, []),
        ("import sys; sys.exit('ran')\ndef merge_rule(v): ...", {}, []),
    ],
)
def test_what_is_wrong_is_told_without_running_the_file(
    tmp_path: Path, code: str | None, arguments: dict[str, Any], told: list[tuple[str, str]]
) -> None:
    file = tmp_path / "mine.py"
    if code is not None:
        file.write_text(code)
    faults = list(faults_of(("methods", "mine"), {"file": str(file), "arguments": arguments}))
    assert [location[-1] for location, _ in faults] == [key for key, _ in told]
    assert all(words in text for (_, text), (_, words) in zip(faults, told, strict=True))


def test_the_file_merges(tmp_path: Path) -> None:
    (tmp_path / "flip.py").write_text(FLIP)
    vectors = [{"w": torch.tensor([1.0, -2.0, 0.5])}, {"w": torch.ones(3)}]
    merged = merged_by(merge_rule(vectors, str(tmp_path / "flip.py"), {"times": 2.0}), vectors)
    assert merged["w"].tolist() == [-4.0, 2.0, -3.0]


def test_a_file_that_makes_no_rule_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def merge_rule(task_vectors):\n    return task_vectors[0]\n")
    with pytest.raises(ParameterError, match=r"mine\.py: merge_rule returned dict; it must return a remerge"):
        merge_rule([{"w": torch.ones(2)}], str(tmp_path / "mine.py"), {})
