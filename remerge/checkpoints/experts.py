"""Files of a task's expert that cannot be made because the task's images are unavailable.

An expert that would be fine-tuned on these images, its task vector, and statistics of an expert are then files without
tensors whose header gives the reason. Merging skips such tasks; the merged file's header and all its scores name the
tasks that were merged.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from remerge.checkpoints.headers import SEPARATOR, read_metadata
from remerge.checkpoints.weights import LazyWeights, load_weights, save_weights
from remerge.errors import RemergeError


def save_absent(path: str | Path, reason: str, metadata: Mapping[str, str] | None = None) -> None:
    """Write a file without tensors in place of weights that cannot be made.

    Args:
        path: The file.
        reason: Why they cannot be made.
        metadata: Further text fields of the header.
    """
    save_weights(path, {}, {**(metadata or {}), "missing": reason or "there are no images"})


def why_absent(path: str | Path) -> str:
    """Return the reason why a file has no weights; empty if it has some."""
    return read_metadata(path).get("missing", "")


def load_available(tasks: Sequence[str], paths: Sequence[str | Path]) -> dict[str, LazyWeights]:
    """Open the file of every task, skipping files without weights; the skipped tasks are named on standard error.

    Raises:
        RemergeError: No file has weights, or a file cannot be read.
    """
    available, absent = {}, []
    for task, path in zip(tasks, paths, strict=True):
        weights = load_weights(path)
        if reason := weights.metadata.get("missing"):
            absent.append(f"{task}: left out ({path}): {reason}")
        else:
            available[task] = weights
    print(*absent, sep="\n", end="\n" if absent else "", file=sys.stderr)
    if not available:
        raise RemergeError("nothing to work with; provide images of at least one task:\n  " + "\n  ".join(absent))
    return available


def merged_field(some: Sequence[str], tasks: Sequence[str]) -> dict[str, str]:
    """Return the header field ``merged`` of an encoder that merges only some of the tasks; empty if it merges all."""
    return {} if len(some) == len(tasks) else {"merged": SEPARATOR.join(some)}
