"""Audit of images that are in more than one split: test images that were trained on inflate the numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import pandas as pd

from remerge.run.atomic import atomic_path
from remerge.run.csvs import read_csv

COLUMNS = ("task", "split_a", "split_b", "n_a", "n_b", "shared")


def overlaps(hashes: Mapping[str, Mapping[str, Sequence[str]]]) -> pd.DataFrame:
    """Count, for every task and pair of splits, the images of the second split that are also in the first.

    Args:
        hashes: By task and split, a hash of each image's pixels as they enter the encoder.

    Returns:
        Columns ``task``, ``split_a``, ``split_b``, ``n_a``, ``n_b`` and ``shared``: how many of the ``n_b`` images of
        ``split_b`` have the same pixels as an image of ``split_a``. A split paired with itself counts duplicates.
    """
    rows = []
    for task, splits in hashes.items():
        for split, of_split in splits.items():
            repeated = sum(count - 1 for count in Counter(of_split).values())
            rows.append((task, split, split, len(of_split), len(of_split), repeated))
        for a, b in combinations(splits, 2):
            known = set(splits[a])
            rows.append((task, a, b, len(splits[a]), len(splits[b]), sum(each in known for each in splits[b])))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def read_hashes(path: str | Path) -> list[str]:
    """Read the hashes of a split's images that :func:`remerge.images.store.write_hashes` wrote."""
    return Path(path).read_text(encoding="ascii").split()


def write_audit(path: str | Path, audit: pd.DataFrame) -> None:
    """Write the result of :func:`overlaps`."""
    with atomic_path(path) as temporary:
        audit.to_csv(temporary, index=False, lineterminator="\n")


def read_audit(path: str | Path) -> pd.DataFrame:
    """Read a file that :func:`write_audit` wrote."""
    return read_csv(path)


def contaminated(audit: pd.DataFrame) -> dict[str, str]:
    """Return, for every task with test images that are also in training or validation, the number of these."""
    flags: dict[str, list[str]] = {}
    for row in audit[(audit["split_b"] == "test") & (audit["split_a"] != "test")].itertuples():
        if row.shared:
            flags.setdefault(row.task, []).append(f"{row.shared} of {row.n_b} test images are also in {row.split_a}")
    return {task: "; ".join(parts) for task, parts in flags.items()}
