"""Reading images and texts from parquet files, the format of data sets on the Hugging Face Hub."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from remerge.errors import RemergeError

IMAGE_COLUMNS = ("image", "img")
LABEL_COLUMNS = ("label", "labels")
# Encoded images of a few hundred kilobytes each: tens of megabytes.
ROWS_AT_A_TIME = 64


def read_labels(paths: Sequence[Path], classes: int) -> npt.NDArray[np.int64]:
    """Return the labels of all rows, file by file.

    Args:
        paths: The split's parquet files, in order.
        classes: Number of classes of the task.

    Raises:
        RemergeError: A file is not a parquet file, has no label column, has labels outside ``range(classes)``, or
            declares a different number of classes.
    """
    columns = []
    for path in paths:
        with _opened(path) as file:
            name = _column(path, file, LABEL_COLUMNS)
            if (declared := _declared_classes(file, name)) not in (None, classes):
                raise RemergeError(f"{path}: declares {declared} classes, the task has {classes}")
            columns.append(file.read([name]).column(0).to_numpy().astype(np.int64))
    labels = np.concatenate(columns) if columns else np.empty(0, np.int64)
    if wrong := set(labels.tolist()) - set(range(classes)):
        raise RemergeError(f"{paths[0]}: labels {sorted(wrong)[:10]} are outside 0 to {classes - 1}")
    return labels


def read_encoded(paths: Sequence[Path], wanted: npt.NDArray[np.bool_]) -> Iterator[bytes]:
    """Yield the encoded images of some rows, with a few rows in memory at a time.

    Args:
        paths: The split's parquet files, in order.
        wanted: One entry per row of all files together.

    Raises:
        RemergeError: A file has no image column, or a row no image.
    """
    begin = 0
    for path in paths:
        with _opened(path) as file:
            name = _column(path, file, IMAGE_COLUMNS)
            for batch in file.iter_batches(ROWS_AT_A_TIME, columns=[name]):
                rows = np.flatnonzero(wanted[begin : begin + len(batch)])
                for row, value in zip(rows, batch.column(0).take(pa.array(rows)).to_pylist(), strict=True):
                    content = value.get("bytes") if isinstance(value, dict) else value
                    if not isinstance(content, bytes):
                        raise RemergeError(f"{path}: row {begin + row} of column {name!r} holds no encoded image")
                    yield content
                begin += len(batch)


def read_rows(paths: Sequence[Path], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return some columns of all rows, file by file.

    Args:
        paths: The split's parquet files, in order.
        columns: Names of columns.

    Raises:
        RemergeError: A file is not a parquet file or lacks a column.
    """
    rows: list[dict[str, Any]] = []
    for path in paths:
        with _opened(path) as file:
            for column in columns:
                _column(path, file, [column])
            rows += file.read(list(columns)).to_pylist()
    return rows


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise RemergeError(f"{path}: not a parquet file: {error}") from error


def _column(path: Path, file: pq.ParquetFile, names: Sequence[str]) -> str:
    found = [name for name in names if name in file.schema_arrow.names]
    if not found:
        raise RemergeError(f"{path}: has no column {' or '.join(names)}; there are: {file.schema_arrow.names}")
    return found[0]


def _declared_classes(file: pq.ParquetFile, label: str) -> int | None:
    """The number of classes in the data set's description, which is part of the file's schema."""
    described: Any = json.loads((file.schema_arrow.metadata or {}).get(b"huggingface", b"{}"))
    names = described.get("info", {}).get("features", {}).get(label, {}).get("names")
    return len(names) if names else None
