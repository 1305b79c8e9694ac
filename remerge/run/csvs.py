"""CSV files in which names stay text, whatever they look like: ``NA`` and ``101`` are names."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

TEXTS = (
    *("pool", "suite", "study", "part", "expert", "method", "variant", "merged", "task", "split"),
    *("right", "predicted", "expected"),
    *("task_a", "task_b", "split_a", "split_b", "control", "unseen", "images", "layer", "uses"),
)
"""Columns that hold text in every file. No task may have such a name, because tables have a column per task."""


def read_csv(path: str | Path, texts: Iterable[str] = ()) -> "pd.DataFrame":
    """Read a CSV file; only an empty cell is missing.

    Args:
        path: The file.
        texts: More columns that hold text, in addition to :data:`TEXTS`.
    """
    # Every parse of the configuration imports this module for the names above and should not wait for pandas.
    import pandas as pd

    return pd.read_csv(path, dtype=dict.fromkeys((*TEXTS, *texts), str), keep_default_na=False, na_values=[""])
