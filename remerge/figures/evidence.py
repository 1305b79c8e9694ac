"""The data that a figure is drawn from: files by kind, and the configuration of tasks, methods and pool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from remerge.figures.style import Look, labels, looks
from remerge.methods.registry import WITH_PARTS, algorithms_of_kind
from remerge.run.csvs import read_csv
from remerge.scoring.coverage import count_merged
from remerge.scoring.scores import average_accuracy, merged_tasks, read_scores


@dataclass(frozen=True)
class Evidence:
    """Everything that a figure of one pool and suite can use.

    Attributes:
        files: Paths by kind, as in ``needs`` of the figure's entry in :mod:`remerge.figures.registry`.
        tasks: The suite's tasks, in order.
        methods: All methods by id, in order: ``label``, ``algorithm``, parameters and family of ``looks``.
        origin: Origin of the pool's checkpoints.
        architecture: The pool's encoder.
    """

    files: Mapping[str, Sequence[str]]
    tasks: Sequence[str]
    methods: Mapping[str, Mapping[str, Any]]
    origin: str
    architecture: str

    @property
    def labels(self) -> dict[str, str]:
        """Display names of methods, by id, in order."""
        return labels(self.methods)

    @property
    def looks(self) -> dict[str, Look]:
        """The methods' looks, by id: the same in every figure."""
        return looks(self.methods)

    def labels_in(self, scores: pd.DataFrame) -> dict[str, str]:
        """Display names of methods; for those that do not merge all tasks, with the number that they merge."""
        merged = {str(name): merged_tasks(own) for name, own in scores.groupby("method")}
        return {
            name: f"{label} ({count_merged(merged[name], len(self.tasks))}/{len(self.tasks)} tasks)"
            if merged.get(name)
            else label
            for name, label in self.labels.items()
        }

    def methods_of(self, *algorithms: str) -> list[str]:
        """Return the ids of the methods of some algorithms."""
        return [name for name, method in self.methods.items() if method["algorithm"] in algorithms]

    @property
    def methods_with_parts(self) -> list[str]:
        """The ids of the methods that keep parts for every task; they are set apart from those of one encoder."""
        return self.methods_of(*algorithms_of_kind(*WITH_PARTS))

    def merge_alike(self, one: str, other: str) -> bool:
        """Whether two methods differ only in their scaling, and so lie on one curve."""
        first, second = (
            {key: value for key, value in self.methods[name].items() if key not in ("label", "scaling")}
            for name in (one, other)
        )
        return first == second

    def scores(self, need: str = "scores") -> pd.DataFrame:
        """Return score files as one frame.

        Raises:
            RemergeError: See :func:`remerge.scoring.scores.read_scores`.
        """
        return pd.concat([read_scores(path) for path in self.files[need]], ignore_index=True)

    def averages(self, *algorithms: str) -> dict[str, float]:
        """Return the average accuracy, in percent, of every scored method of some algorithms."""
        averages = average_accuracy(self.scores(), ["method"]).set_index("method")["average"]
        return {name: float(averages[name]) for name in self.methods_of(*algorithms) if name in averages}

    def table(self, need: str) -> pd.DataFrame:
        """Return the table of a kind that has only one."""
        (path,) = self.files[need]
        return read_csv(path)

    def by_label(self, need: str) -> dict[str, pd.DataFrame]:
        """Return tables of methods, whose files are named after the methods' ids, by display name."""
        return {self.labels[Path(path).stem]: read_csv(path) for path in self.files[need]}
