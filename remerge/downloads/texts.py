"""The texts of GLUE's tasks, from parquet files of the Hugging Face Hub."""

from fnmatch import fnmatchcase
from itertools import compress
from pathlib import Path

from remerge.downloads.records import recorded
from remerge.tasks.glue import glue_task
from remerge.tasks.parquet import read_rows
from remerge.tasks.splits import membership
from remerge.texts.store import TextSet


def read_texts(record: str | Path, task: str, split: str) -> TextSet:
    """Read one split of a task; its files are in the Hub's cache, or are downloaded again.

    Validation texts are a tenth of GLUE's training set, at most 5,000, held out as images are
    (:func:`remerge.tasks.splits.held_out`).

    Args:
        record: What :func:`remerge.downloads.records.record` wrote.
        task: One of :data:`remerge.tasks.glue.GLUE_TASKS`.
        split: ``train``, ``validation`` or ``test``.

    Raises:
        DownloadError: The files cannot be downloaded.
        RemergeError: A file is no parquet file, lacks a column, or has a row without a known label.
    """
    described = glue_task(task)
    pattern = described.files["test" if split == "test" else "train"]
    paths = [path for name, path in sorted(recorded(record).paths.items()) if fnmatchcase(name, pattern)]
    rows = read_rows(paths, described.columns)
    texts, answers = zip(*map(described.example, compress(rows, membership(split, len(rows)))), strict=True)
    return TextSet(list(texts), list(answers))
