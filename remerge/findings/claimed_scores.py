"""The scores behind each side of a claim, from the files that a claims table's job declares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from remerge.checkpoints.headers import split_tasks
from remerge.findings.claims import OfBest, OfMethod, OfStudy, OfSweep, OfTrajectory, Side
from remerge.scoring.scores import merged_tasks, read_parts, read_scores
from remerge.studies.kind import load


@dataclass(frozen=True)
class Scores:
    """The score files for judging claims, each read on demand; no other file is used.

    Attributes:
        methods: Files of the main table's methods, by method.
        sweeps: Files of curves over lambda, by method.
        trajectories: Files of AdaMerging's steps, by method.
        studies: Files of all parts of a study, by study.
        kinds: Every study's kind.
        merged: The candidates for the best merged encoder.
    """

    methods: Mapping[str, Path] = field(default_factory=dict)
    sweeps: Mapping[str, Path] = field(default_factory=dict)
    trajectories: Mapping[str, Path] = field(default_factory=dict)
    studies: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    merged: Sequence[str] = ()

    @classmethod
    def declared(
        cls, inputs: Mapping[str, Any], params: Mapping[str, Any], results: Path = Path("results")
    ) -> "Scores":
        """Return the scores that the claims table's job declares in its inputs and parameters.

        Args:
            inputs: Paths under ``results/``, by their names in the rule.
            params: ``methods``, ``swept``, ``learned`` and ``studies``, which say what each path of ``scores``,
                ``sweeps``, ``trajectories`` and ``studies`` belongs to, in order; ``kinds``; and ``merged``.
            results: The results folder.
        """

        def named(key: str, names: str) -> list[tuple[str, Path]]:
            paths = [results / Path(path).relative_to("results") for path in inputs[key]]
            return list(zip(params[names], paths, strict=True))

        studies: dict[str, list[Path]] = {}
        for study, path in named("studies", "studies"):
            studies.setdefault(study, []).append(path)
        return cls(
            methods=dict(named("scores", "methods")),
            sweeps=dict(named("sweeps", "swept")),
            trajectories=dict(named("trajectories", "learned")),
            studies=studies,
            kinds=params["kinds"],
            merged=params["merged"],
        )

    def of(self, side: Side) -> dict[str, pd.DataFrame]:
        """Return the rows of one side of a claim, on test images.

        Returns:
            One entry, or one per candidate if the side is the best of several encoders; none if they were not made.
        """
        match side:
            case OfMethod():
                found = {side.method: self._of_method(side.method)}
            case OfBest():
                found = self._of_most_tasks({name: self._of_method(name) for name in self.merged})
            case OfSweep():
                found = self._curve(side)
            case OfTrajectory():
                found = {side.trajectory: self._step(side)}
            case OfStudy():
                found = {side.study: self._study(side)}
        return {name: scores for name, scores in found.items() if scores is not None and not scores.empty}

    def _of_method(self, method: str) -> pd.DataFrame | None:
        return read_scores(self.methods[method]) if method in self.methods else None

    def tasks(self) -> set[str]:
        """Return the tasks that have images, which are those that any method is scored on."""
        return {task for path in self.methods.values() for task in read_scores(path)["task"]}

    def _of_most_tasks(self, found: Mapping[str, pd.DataFrame | None]) -> dict[str, pd.DataFrame | None]:
        """Encoders that merge the most tasks; with fewer merged tasks it is easier to be best on them."""
        merged = {name: merged_tasks(scores) for name, scores in found.items() if scores is not None}
        most = (
            "" if "" in merged.values() else max(merged.values(), key=lambda some: len(split_tasks(some)), default="")
        )
        return {name: found[name] for name, some in merged.items() if some == most}

    def _curve(self, side: OfSweep) -> dict[str, pd.DataFrame | None]:
        if side.sweep not in self.sweeps:
            return {}
        scores = read_scores(self.sweeps[side.sweep])
        if side.scaling != "best":
            return {side.sweep: scores[np.isclose(scores["scaling"], side.scaling)]}
        return {f"lambda {scaling:g}": own for scaling, own in scores.groupby("scaling", sort=False)}

    def _step(self, side: OfTrajectory) -> pd.DataFrame | None:
        if side.trajectory not in self.trajectories:
            return None
        scores = read_scores(self.trajectories[side.trajectory])
        ends = {"first": scores["step"].min(), "last": scores["step"].max()}
        return scores[scores["step"] == ends.get(str(side.step), side.step)]

    def _study(self, side: OfStudy) -> pd.DataFrame | None:
        files = self.studies.get(side.study, ())
        scores = read_parts(files) if files else pd.DataFrame()
        if scores.empty:
            return None
        rows = getattr(load(self.kinds[side.study]), "encoders", _on_test_images)(scores)
        for column, value in side.columns.items():
            if column not in rows:
                return None
            rows = rows[_equal(rows[column], value)]
        return rows


def _on_test_images(scores: pd.DataFrame) -> pd.DataFrame:
    return scores[scores["split"] == "test"]


def _equal(column: pd.Series, value: str | float) -> Any:
    if isinstance(value, str) or not pd.api.types.is_numeric_dtype(column):
        return column == value
    return np.isclose(column, value)
