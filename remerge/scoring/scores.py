"""Score files (CSV of integers), and what is computed from them: percentages, averages, intervals."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from remerge.errors import RemergeError
from remerge.run.atomic import atomic_path
from remerge.run.csvs import read_csv
from remerge.scoring import rank_correlation
from remerge.scoring.answers import unpack_right

KEYS = (
    *("pool", "suite", "study", "part", "expert", "method", "variant", "merged", "task_name", "keep", "scaling"),
    *("step", "task", "split"),
)
COUNTS = ("correct", "n", "valid", "compared", "agree")
ANSWERS = ("right", "predicted", "expected")
COLUMNS = (*KEYS, *COUNTS, *ANSWERS)
"""The possible columns of a score file, in order; all files have ``task``, ``split``, ``correct`` and ``n``.

``task_name`` is ``needed`` if the encoder depends on the name of the image's task, and absent otherwise. ``valid`` is
how many answers to texts have the form of the task's, right or wrong. ``right`` and ``predicted`` have the answer to
every image or text, packed by :mod:`remerge.scoring.answers`. Where a row has ``expected``, the true answers packed
like ``predicted``, the answers are numbers, and are judged by their rank correlation with the true ones in place of the
share that is right.
"""


NO_SCORES = ["task", "split", "correct", "n"]
"""Columns of scores without rows."""


def write_scores(path: str | Path, scores: pd.DataFrame, *, may_be_empty: bool = False) -> None:
    """Write a score file, with columns in the standard order and rows as given.

    Raises:
        RemergeError: See :func:`read_scores`.
    """
    frame = _checked(scores, path, may_be_empty)
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n")


def read_scores(path: str | Path, *, may_be_empty: bool = False) -> pd.DataFrame:
    """Read a score file.

    Args:
        path: The file.
        may_be_empty: Whether it may have no rows, as for a study with too few tasks that have images.

    Raises:
        RemergeError: The file does not exist, has no rows, lacks a column, has a duplicate row, a count that is not an
            integer, or more correct answers than images; the message names the file and the row.
    """
    try:
        frame = read_csv(path)
    except FileNotFoundError as error:
        raise RemergeError(f"{path}: no such score file") from error
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise RemergeError(f"{path}: not a score file: {error}") from error
    return _checked(frame, path, may_be_empty)


def read_parts(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Read score files as one frame; it has no rows if there was nothing to score.

    Raises:
        RemergeError: See :func:`read_scores`.
    """
    parts = [read_scores(path, may_be_empty=True) for path in paths]
    # The columns of an empty part have no types, and concatenating them would lose those of the others.
    return pd.concat([part for part in parts if not part.empty] or parts[:1], ignore_index=True)


def merged_tasks(scores: pd.DataFrame) -> str:
    """Return the tasks that an encoder of the main table merges, such as ``a+b``; empty if it merges all."""
    if "merged" not in scores or "study" in scores:
        return ""
    named = scores["merged"].dropna()
    return "" if named.empty else str(named.iloc[0])


def needs_task_name(scores: pd.DataFrame) -> bool:
    """Return whether a method's encoder depends on the name of the image's task, according to its scores."""
    return "task_name" in scores and bool(scores["task_name"].notna().any())


def _checked(frame: pd.DataFrame, path: str | Path, may_be_empty: bool) -> pd.DataFrame:
    if missing := [column for column in ("task", "split", "correct", "n") if column not in frame]:
        raise RemergeError(f"{path}: no column {', '.join(missing)}")
    if unknown := [column for column in frame if column not in COLUMNS]:
        raise RemergeError(f"{path}: unknown column {', '.join(unknown)}; known: {', '.join(COLUMNS)}")
    if frame.empty and may_be_empty:
        return frame
    if frame.empty:
        raise RemergeError(f"{path}: no scores: none of its tasks has images of this split; provide some")
    for column in ("correct", "n"):
        if not pd.api.types.is_integer_dtype(frame[column]):
            raise RemergeError(f"{path}: {column} must be whole numbers")
    wrong = frame[(frame["correct"] < 0) | (frame["correct"] > frame["n"]) | (frame["n"] < 1)]
    if not wrong.empty:
        row = wrong.iloc[0]
        raise RemergeError(f"{path}, row {wrong.index[0] + 1}: {row['correct']} correct of {row['n']}")
    ordered = frame[[column for column in COLUMNS if column in frame]].reset_index(drop=True)
    if "right" in ordered:
        for index, (packed, correct, n) in enumerate(
            zip(*(ordered[c] for c in ("right", "correct", "n")), strict=True)
        ):
            if (count := int(unpack_right(packed, n).sum())) != correct:
                raise RemergeError(f"{path}, row {index + 1}: {correct} correct, but {count} right answers")
    keys = [column for column in ordered if column in KEYS]
    if ordered.duplicated(keys).any():
        raise RemergeError(f"{path}: the same score stands twice, row {ordered.index[ordered.duplicated(keys)][0] + 1}")
    return ordered


def wilson_interval(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion, as proportions."""
    # SciPy takes longer to import than most jobs that read scores take to run, and only tables need it.
    from scipy.stats import binomtest

    interval = binomtest(int(correct), int(n)).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def accuracy(scores: pd.DataFrame) -> pd.Series:
    """Return percent correct, row by row; where answers are ranked, 100 times their rank correlation."""
    return (100 * correlations(scores)).fillna(100 * scores["correct"] / scores["n"])


def intervals(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the 95 % interval of :func:`accuracy`, row by row: ``low`` and ``high`` (percent).

    It is Wilson's or, where answers are ranked, that of :func:`remerge.scoring.rank_correlation.interval`.
    """
    rows = zip(scores["correct"], scores["n"], correlations(scores), strict=True)
    ends = [
        wilson_interval(correct, n) if pd.isna(rho) else rank_correlation.interval(rho, n) for correct, n, rho in rows
    ]
    return 100 * pd.DataFrame(ends, columns=["low", "high"], index=scores.index)


def correlations(scores: pd.DataFrame) -> pd.Series:
    """Return Spearman's rank correlation, row by row; missing where answers are not ranked."""
    if "expected" not in scores:
        return pd.Series(np.nan, index=scores.index)
    rows = zip(*(scores[column] for column in ("predicted", "expected", "n")), strict=True)
    rhos = [
        np.nan if pd.isna(expected) else rank_correlation.spearman(*_numbers(predicted, expected, n))
        for predicted, expected, n in rows
    ]
    return pd.Series(rhos, index=scores.index, dtype=float)


def contributions(row: Mapping[Hashable, Any]) -> npt.NDArray[np.number]:
    """Return what each image or text contributes to the score of a row, ``[n]``; the score is their mean.

    It is 0 or 1 or, where answers are ranked, that of :func:`remerge.scoring.rank_correlation.contributions`.
    """
    if pd.isna(row.get("expected")):
        return unpack_right(row["right"], row["n"]).astype(np.int64)
    return rank_correlation.contributions(*_numbers(row["predicted"], row["expected"], row["n"]))


def _numbers(predicted: str, expected: str, n: int) -> tuple[rank_correlation.Floats, rank_correlation.Floats]:
    return rank_correlation.numbers(predicted, n), rank_correlation.numbers(expected, n)


def average_accuracy(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Average accuracy over tasks, each task counting the same, as the papers do.

    Where answers are ranked, 100 times their rank correlation counts as an accuracy, as in the published averages.

    Args:
        scores: Scores of one split.
        by: Columns to group by, such as ``["method"]``.

    Returns:
        ``by`` plus ``average`` (percent), ``half_width`` of its 95 % interval (percentage points; normal approximation
        with the tasks' test sets as independent samples), and ``tasks``, the number of tasks averaged.
    """
    rho, n = correlations(scores), scores["n"]
    share = scores["correct"] / n
    variance = rank_correlation.variance(rho, n).fillna(share * (1 - share) / n)
    rows = scores[by].assign(value=rho.fillna(share), variance=variance, tasks=1)
    grouped = rows.groupby(by, sort=False, as_index=False).agg(
        average=("value", "mean"), variance=("variance", "sum"), tasks=("tasks", "sum")
    )
    grouped["average"] *= 100
    grouped["half_width"] = 100 * 1.959964 * grouped["variance"] ** 0.5 / grouped["tasks"]
    return grouped.drop(columns="variance")


def best_scaling(validation: pd.DataFrame) -> float:
    """Return the scaling with the highest average accuracy on validation images; the smallest one if several tie.

    Raises:
        RemergeError: Some scores are not on validation images: a scaling is never chosen on test images.
    """
    splits = set(validation["split"])
    if splits != {"validation"}:
        raise RemergeError(f"a scaling is chosen on validation images only, got scores on: {', '.join(sorted(splits))}")
    averages = average_accuracy(validation, ["scaling"])
    best = averages[averages["average"] == averages["average"].max()]
    return float(min(best["scaling"], key=lambda scaling: (abs(scaling), scaling)))
