"""Sign conflicts: how often task vectors pull one entry in opposite directions (arXiv:2306.01708, section 3)."""

from collections.abc import Sequence
from threading import Lock

import pandas as pd
import torch
from torch import Tensor

from remerge.checkpoints.weights import Weights
from remerge.merging.rules import Place
from remerge.merging.streaming import for_each_tile
from remerge.merging.ties import trim_thresholds


def sign_conflicts(task_vectors: Sequence[Weights], shares: Sequence[float], frozen_entries: int = 0) -> pd.DataFrame:
    """Count entries with opposing signs among the first two, three, ... task vectors.

    Args:
        task_vectors: One per task, in the order in which they are added.
        shares: Shares of each task vector's entries that are kept.
        frozen_entries: See :func:`remerge.merging.ties.trim_thresholds`.

    Returns:
        Columns ``keep``, ``tasks``, ``entries`` (kept in at least one task vector), ``conflicts`` (kept in two with
        opposing signs), ``percent`` (conflicts as a percentage of entries).
    """
    rows = []
    for keep in shares:
        thresholds = trim_thresholds(task_vectors, keep, frozen_entries=frozen_entries)
        counts = torch.zeros(len(task_vectors), 2, dtype=torch.int64)
        lock = Lock()

        def count(
            place: Place, entries: Sequence[Tensor], thresholds: Sequence[Weights] = thresholds, counts: Tensor = counts
        ) -> None:
            up = torch.zeros(place.end - place.begin, dtype=torch.bool)
            down = up.clone()
            counted = torch.empty(len(entries), 2, dtype=torch.int64)
            for index, (vector, threshold) in enumerate(zip(entries, thresholds, strict=True)):
                kept = vector.abs() >= threshold[place.key]
                up |= kept & (vector > 0)
                down |= kept & (vector < 0)
                counted[index] = torch.stack([(up | down).sum(), (up & down).sum()])
            with lock:  # noqa: B023
                counts += counted

        for_each_tile(count, task_vectors)
        for index in range(1, len(task_vectors)):
            entries, conflicts = counts[index].tolist()
            rows.append((keep, index + 1, entries, conflicts, 100 * conflicts / max(1, entries)))
    return pd.DataFrame(rows, columns=["keep", "tasks", "entries", "conflicts", "percent"])
