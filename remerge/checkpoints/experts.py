"""What belongs to one task's expert, and cannot be made where the task's images are absent.

An expert that would have to be fine-tuned on images nobody has, its task vector, and statistics of an expert are files
without tensors whose header says why. Whatever merges leaves such tasks out, and its own header, and every score after
it, names the tasks that it does merge.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from remerge.checkpoints.headers import read_metadata
from remerge.checkpoints.weights import LazyWeights, load_weights, save_weights
from remerge.errors import RemergeError

SEPARATOR = "+"
"""Between the names of merged tasks, in headers and in score files."""


def save_absent(path: str | Path, reason: str, metadata: Mapping[str, str] | None = None) -> None:
    """Write a file without tensors in place of weights that cannot be made.

    Args:
        path: The file.
        reason: Why they cannot be made.
        metadata: Further text fields of the header.
    """
    save_weights(path, {}, {**(metadata or {}), "missing": reason or "there are no images"})


def why_absent(path: str | Path) -> str:
    """Return why a file holds no weights; empty if it holds some."""
    return read_metadata(path).get("missing", "")


def load_available(tasks: Sequence[str], paths: Sequence[str | Path]) -> dict[str, LazyWeights]:
    """Open a file per task, but for tasks that have none; those are named on standard error.

    Raises:
        RemergeError: No task has one, or a file cannot be read.
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


def merged_tasks(some: Sequence[str], tasks: Sequence[str]) -> dict[str, str]:
    """Return the header field ``merged`` of an encoder that not all tasks went into; nothing if all did."""
    return {} if len(some) == len(tasks) else {"merged": SEPARATOR.join(some)}


def merged_of(path: str | Path) -> dict[str, str]:
    """Return the field that :func:`merged_tasks` made, from the header of a task vector or an encoder."""
    return {key: value for key, value in read_metadata(path).items() if key == "merged"}
