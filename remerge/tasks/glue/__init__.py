"""Eight tasks of GLUE (arXiv:1804.07461) as instructions with answers in words, as FusionBench puts them to Flan-T5.

One file each has a task's instruction, answers, sizes and files. GLUE's test labels are not public, so its validation
set is the test split here, and validation texts are held out from its training set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, Literal

from remerge.errors import RemergeError
from remerge.run.strict_yaml import read_yaml

GLUE_TASKS = tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.yaml")))
"""Their names."""
REPOSITORY = "nyu-mll/glue"
"""GLUE on the Hugging Face Hub."""
REMARK = "test texts are GLUE's validation set, and Flan-T5 was pre-trained on instructions that include the task"
"""What is odd about every one of them."""
LABEL = "label"
"""The column with what is asked for."""


@dataclass(frozen=True)
class GlueTask:
    """One task.

    Attributes:
        name: Its name in config.yaml and in file names.
        title: What it asks, for people.
        files: Shell patterns of the repository's parquet files of the parts ``train`` and ``test``.
        sizes: Number of examples in each part.
        template: The instruction, with names of columns in braces.
        answers: The answer to each label; none where the label is a number, which is then the answer.
        metric: ``exact_match``: an answer is right if it equals the true one. ``spearman``: answers are numbers, ranked
            as the true ones are or not.
        remarks: What is odd about it, beyond :data:`REMARK`.
    """

    name: str
    title: str
    files: Mapping[str, str]
    sizes: Mapping[str, int]
    template: str
    answers: Sequence[str] = ()
    metric: Literal["exact_match", "spearman"] = "exact_match"
    remarks: Sequence[str] = ()

    @property
    def columns(self) -> list[str]:
        """The columns that an example is made from."""
        return [*dict.fromkeys(field for _, field, _, _ in Formatter().parse(self.template) if field), LABEL]

    def example(self, row: Mapping[str, Any]) -> tuple[str, str]:
        """Return the text of a row, and the answer to it; numbers have one decimal.

        Raises:
            RemergeError: The row has no known label, as in GLUE's hidden test sets.
        """
        label = row[LABEL]
        if not self.answers:
            return self.template.format_map(row), f"{label:.1f}"
        if label not in range(len(self.answers)):
            raise RemergeError(f"{self.name}: the label {label!r} is none of 0 to {len(self.answers) - 1}")
        return self.template.format_map(row), self.answers[label]


@cache
def glue_task(name: str) -> GlueTask:
    """Return one of :data:`GLUE_TASKS` by its name."""
    return GlueTask(name, **read_yaml(Path(__file__).with_name(f"{name}.yaml")))
