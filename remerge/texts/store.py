"""Texts and the answers to them: a CSV file per task and split."""

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from remerge.errors import RemergeError
from remerge.run.atomic import atomic_path
from remerge.run.csvs import read_csv

COLUMNS = ("text", "answer")
HASH_BYTES = 16


@dataclass(frozen=True)
class TextSet:
    """The examples of one split of one task.

    Attributes:
        texts: What a model reads.
        answers: What it should answer to each.
    """

    texts: list[str]
    answers: list[str]

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.texts)


def save_texts(path: str | Path, text_set: TextSet, hashes: str | Path) -> None:
    """Write examples, and a second file with a line for each: the hash of its text, equal for equal texts."""
    with atomic_path(path) as temporary:
        frame = pd.DataFrame({"text": text_set.texts, "answer": text_set.answers})
        # Before Python 3.13, a carriage return alone is not quoted, and would end the row.
        has_returns = any("\r" in text for text in (*text_set.texts, *text_set.answers))
        quoting = csv.QUOTE_ALL if has_returns else csv.QUOTE_MINIMAL
        frame.to_csv(temporary, index=False, lineterminator="\n", quoting=quoting)
    with atomic_path(hashes) as temporary:
        lines = [hashlib.blake2b(text.encode(), digest_size=HASH_BYTES).hexdigest() for text in text_set.texts]
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")


def load_texts(path: str | Path) -> TextSet:
    """Read what :func:`save_texts` wrote.

    Raises:
        RemergeError: The file has other columns.
    """
    frame = read_csv(path, COLUMNS)
    if tuple(frame) != COLUMNS:
        raise RemergeError(f"{path}: not a file of texts of this workflow; delete it to have it made again")
    return TextSet(list(frame["text"]), list(frame["answer"]))


def load_text_sets(tasks: Iterable[str], paths: Iterable[str | Path]) -> dict[str, TextSet]:
    """Read the examples of one split of several tasks, by task.

    Args:
        tasks: The tasks.
        paths: Their files, in the same order.

    Raises:
        RemergeError: See :func:`load_texts`.
    """
    return dict(zip(tasks, map(load_texts, paths), strict=True))
