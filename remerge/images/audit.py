"""Whether images of one split are also in another: test images that were trained on make numbers look better."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import pandas as pd

from remerge.run.atomic import atomic_path
from remerge.run.csvs import read_csv

COLUMNS = ("task", "split_a", "split_b", "n_a", "n_b", "shared")


def overlaps(hashes: Mapping[str, Mapping[str, Sequence[str]]]) -> pd.DataFrame:
    """Count, for every task and two of its splits, the images of the second that are also in the first.

    Args:
        hashes: By task and split, a hash of each image's pixels as they enter the encoder.

    Returns:
        Columns ``task``, ``split_a``, ``split_b``, ``n_a``, ``n_b`` and ``shared``: images of ``split_b``, of which
        there are ``n_b``, with the very pixels of one in ``split_a``. A split beside itself counts repeated images.
    """
    rows = []
    for task, splits in hashes.items():
        for split, own in splits.items():
            repeated = sum(count - 1 for count in Counter(own).values())
            rows.append((task, split, split, len(own), len(own), repeated))
        for a, b in combinations(splits, 2):
            known = set(splits[a])
            rows.append((task, a, b, len(splits[a]), len(splits[b]), sum(each in known for each in splits[b])))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def read_hashes(path: str | Path) -> list[str]:
    """Read the hashes that :func:`remerge.images.store.write_hashes` wrote of a split's images."""
    return Path(path).read_text(encoding="ascii").split()


def write_audit(path: str | Path, audit: pd.DataFrame) -> None:
    """Write what :func:`overlaps` found."""
    with atomic_path(path) as temporary:
        audit.to_csv(temporary, index=False, lineterminator="\n")


def read_audit(path: str | Path) -> pd.DataFrame:
    """Read what :func:`write_audit` wrote."""
    return read_csv(path)


def contaminated(audit: pd.DataFrame) -> dict[str, str]:
    """Return, for every task whose test images are also in training or validation, how many they are."""
    told: dict[str, list[str]] = {}
    for row in audit[(audit["split_b"] == "test") & (audit["split_a"] != "test")].itertuples():
        if row.shared:
            told.setdefault(row.task, []).append(f"{row.shared} of {row.n_b} test images are also in {row.split_a}")
    return {task: "; ".join(parts) for task, parts in told.items()}
