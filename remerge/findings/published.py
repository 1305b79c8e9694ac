"""Published numbers: reading, checking, and selecting them by the checkpoints they were measured on."""

from pathlib import Path

import pandas as pd

from remerge.errors import RemergeError
from remerge.run.csvs import read_csv

COLUMNS = ("origin", "architecture", "method", "task", "accuracy", "exact", "decimals", "source", "note")
KEY = ["origin", "architecture", "method", "task"]
SHARED_WEIGHTS = {"finetuned": "task-vectors"}
"""Origins whose pre-trained encoder scores the same as another's: OpenAI's, in open_clip."""


def read_published(path: str | Path) -> pd.DataFrame:
    """Read published accuracies.

    Raises:
        RemergeError: A column is missing, a value is not a percentage, or an entry is listed twice; the message names
            the file and the line.
    """
    frame = read_csv(path, ["origin", "architecture", "source", "note"])
    if tuple(frame.columns) != COLUMNS:
        raise RemergeError(f"{path}: columns must be {', '.join(COLUMNS)}, found {', '.join(frame.columns)}")
    wrong = frame[~frame["accuracy"].between(0, 100) | ~frame["decimals"].isin(["truncated", "rounded", "unknown"])]
    for kind, rows in (("no percentage, or unknown decimals", wrong), ("stands twice", frame[frame.duplicated(KEY)])):
        if not rows.empty:
            raise RemergeError(f"{path}, line {rows.index[0] + 2}: {kind}")
    return frame.assign(note=frame["note"].fillna(""))


def of_pool(published: pd.DataFrame, origin: str, architecture: str) -> pd.DataFrame:
    """Return the numbers that were measured on a pool's checkpoints, without printed averages."""
    rows = (published["origin"] == origin) & (published["architecture"] == architecture)
    return published[rows & (published["task"] != "average")].drop(columns=["origin", "architecture"])


def averages(published: pd.DataFrame, origin: str, architecture: str) -> dict[str, float]:
    """Return the averages (percent) published for some checkpoints by method, with all decimals if they are known."""
    rows = (published["origin"] == origin) & (published["architecture"] == architecture)
    of_all = published[rows & (published["task"] == "average")]
    return dict(zip(of_all["method"], of_all["exact"].fillna(of_all["accuracy"]), strict=True))


def curves(path: str | Path, origin: str, architecture: str) -> pd.DataFrame:
    """Return the curves over lambda published for some checkpoints: ``method``, ``scaling``, ``average`` (percent)."""
    frame = read_csv(path, ["origin", "architecture", "source"])
    return frame[(frame["origin"] == origin) & (frame["architecture"] == architecture)]


def zero_shot_references(published: pd.DataFrame, origin: str, architecture: str) -> dict[str, dict[str, float]]:
    """Return published zero-shot accuracies (percent) by origin and task, the pool's origin first.

    All origins start from the same weights, OpenAI's; their values only differ in the images they were measured on.
    Origins of which only averages were published are left out.
    """
    first = SHARED_WEIGHTS.get(origin, origin)
    origins = sorted(published["origin"].unique(), key=lambda name: (name != first, name))
    references = {}
    for name in origins:
        rows = of_pool(published, name, architecture)
        rows = rows[rows["method"] == "pretrained"]
        references[name] = dict(zip(rows["task"], rows["accuracy"], strict=True))
    return {name: known for name, known in references.items() if known}
