"""What the report shows of one pool and suite, and the tables behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from remerge.findings.tables import Row, in_blocks
from remerge.methods.registry import ONE_ENCODER
from remerge.run.csvs import read_csv
from remerge.scoring.coverage import count_merged
from remerge.scoring.scores import read_scores


@dataclass(frozen=True)
class Section:
    """A pool and a suite.

    Attributes:
        pool: The pool's name.
        suite: The suite's.
        tasks: The suite's tasks.
        about: Description of the run, line by line.
        tables: By name, the files of each table: Markdown, CSV and, for some, LaTeX.
        figures: By name, the caption and the path of the SVG.
        reads: What its models read, ``images`` or ``texts``.
        flags: By task, of this suite or another, what is wrong with its splits.
        methods: By id, in order: ``label``, ``algorithm``, parameters, family of ``looks``, and ``uses``, the data it
            looks at.
        studies: The kind of each study.
        evidence: Files behind figures, by the names of ``remerge/plan/figures.py``.
    """

    pool: str
    suite: str
    tasks: Sequence[str]
    about: Sequence[str]
    tables: Mapping[str, Sequence[str]]
    figures: Mapping[str, tuple[str, str]]
    flags: Mapping[str, str]
    reads: str = "images"
    methods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    studies: Mapping[str, str] = field(default_factory=dict)
    evidence: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The anchor of the section; those of its parts begin with it."""
        return f"{self.pool}/{self.suite}"

    @cached_property
    def labels(self) -> dict[str, str]:
        """Display names of methods, by id, in order."""
        return {name: str(method["label"]) for name, method in self.methods.items()}

    @cached_property
    def rows(self) -> dict[str, Row]:
        """The methods in the order of the main table."""
        rows = {name: Row(row["label"], row["algorithm"], row["uses"]) for name, row in self.methods.items()}
        return in_blocks(rows)

    def table(self, name: str) -> pd.DataFrame:
        """Return the numbers of a table; without rows if the run has no such table."""
        paths = [path for path in self.tables.get(name, ()) if Path(path).suffix == ".csv"]
        return _read(paths[0], name) if paths else pd.DataFrame()

    def numbers(self, need: str, index: int = 0) -> pd.DataFrame:
        """Return one of the tables that figures are drawn from; without rows if the run has none."""
        paths = self.evidence.get(need, ())
        return _read(paths[index], need) if paths else pd.DataFrame()

    def scores(self, need: str) -> pd.DataFrame:
        """Return the test scores that a figure is drawn from; without rows if the run has none."""
        paths = self.evidence.get(need, ())
        return pd.concat([read_scores(path) for path in paths], ignore_index=True) if paths else pd.DataFrame()

    @cached_property
    def main(self) -> pd.DataFrame:
        """The main table's rows that have an average, with the method's ``id``, ``algorithm`` and ``block``."""
        table = self.table("main")
        if table.empty or len(table) != len(self.rows):
            return pd.DataFrame(columns=["id", "method", "uses", "average", "half_width", "normalised", "tasks"])
        rows = self.rows.values()
        more = {
            "id": list(self.rows),
            "algorithm": [row.algorithm for row in rows],
            "block": [row.block for row in rows],
            "competes": [row.competes for row in rows],
            "uses": table["uses"].fillna(""),
            "average": self._averages(table),
        }
        told = pd.concat([table.drop(columns=list(more), errors="ignore"), pd.DataFrame(more)], axis=1)
        return told.dropna(subset="average")

    def _averages(self, table: pd.DataFrame) -> pd.Series:
        """Averages from counts, where there are any: those in the file are rounded, and would be rounded once more."""
        shares = {
            task: (table[f"{task} correct"] / table[f"{task} n"]).fillna(table[task] / 100)
            for task in self.tasks
            if f"{task} n" in table
        }
        return 100 * pd.DataFrame(shares).mean(axis=1)

    def merged(self, block: str = ONE_ENCODER) -> pd.DataFrame:
        """Return the main table's rows that compete: those of a block that merge the most tasks."""
        rows = self.main[(self.main["block"] == block) & self.main["competes"]] if len(self.main) else self.main
        named = rows["merged"] if "merged" in rows else pd.Series(None, index=rows.index, dtype=object)
        counts = named.map(lambda merged: count_merged(merged, len(self.tasks))).astype(int)
        return rows[counts == counts.max()]

    def of_algorithm(self, algorithm: str) -> float | None:
        """Return the average of the first method of an algorithm, in percent; None if it was not scored."""
        if self.main.empty:
            return None
        averages = self.main.loc[self.main["algorithm"] == algorithm, "average"]
        return float(averages.iloc[0]) if len(averages) else None


def _read(path: str, name: str) -> pd.DataFrame:
    # Papers' identifiers, such as 2212.04089, are no numbers.
    return read_csv(path, ("id", "claim", "paper", "section", "verdict", "caveats") if "claims" in name else ())
