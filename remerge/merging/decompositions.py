"""Singular value decompositions of a task vector's matrices, made once and read from a file by every method.

Of every matrix the file holds the singular values, ``values.MATRIX`` ``[k]``, and the singular vectors of its shorter
side, ``vectors.MATRIX`` ``[k, min(rows, columns)]``, float64. Those of its longer side are not stored: they are one
product with the matrix, which takes no time beside the decomposition. The header has the task vector's SHA-256.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from remerge.checkpoints.weights import LazyWeights, Weights, load_weights
from remerge.errors import RemergeError
from remerge.merging.matrices import Qkv, matrices_in
from remerge.merging.rules import Matrix
from remerge.merging.singular import from_shorter_side, of_shorter_side, thin_svd
from remerge.merging.streaming import TasksOfMatrix, shape_of
from remerge.run.progress import ProgressBar

VALUES, VECTORS = "values.", "vectors."
TASK_VECTOR = "task_vector"
"""The header's field with the SHA-256 of the task vector's file."""


class Decomposed(Mapping[str, Tensor]):
    """A task vector of which a file has the decompositions of the matrices."""

    def __init__(self, vector: Weights, path: str | Path, digest: str) -> None:
        """Open the file.

        Args:
            vector: The task vector.
            path: The file of its decompositions.
            digest: SHA-256 of the task vector's file.

        Raises:
            RemergeError: It cannot be read, or is of another task vector.
        """
        self.vector = vector
        self._file = load_weights(path)
        if self._file.metadata.get(TASK_VECTOR) != digest:
            raise self._fault("has the singular value decompositions of another task vector")

    def __getitem__(self, key: str) -> Tensor:
        return self.vector[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.vector)

    def __len__(self) -> int:
        return len(self.vector)

    def shorter_side(self, matrix: Matrix) -> tuple[Tensor, Tensor]:
        """Return what :func:`remerge.merging.singular.of_shorter_side` does of a matrix.

        Raises:
            RemergeError: The file does not have it, or has one of another shape.
        """
        name = name_of(matrix)
        if VALUES + name not in self._file or VECTORS + name not in self._file:
            raise self._fault(f"has no singular value decomposition of {name}")
        values, vectors = self._file[VALUES + name], self._file[VECTORS + name]
        if vectors.shape != (len(values), min(matrix.shape)):
            raise self._fault(
                f"has {list(values.shape)} singular values of {name} and vectors of shape {list(vectors.shape)}, which "
                f"a matrix of shape {list(matrix.shape)} has not"
            )
        return values, vectors

    def _fault(self, what: str) -> RemergeError:
        return RemergeError(f"{self._file.path}: {what}; delete it to have it made again")


def with_decompositions(
    task_vectors: Mapping[str, LazyWeights], tasks: Sequence[str], paths: Sequence[str | Path]
) -> dict[str, Weights]:
    """Return task vectors together with the files of their decompositions.

    Args:
        task_vectors: By task, of those that have one.
        tasks: All tasks.
        paths: The file of every task, or none if the method decomposes no task vector.

    Raises:
        RemergeError: A file cannot be read, or is of another task vector; the message names it.
    """
    files = dict(zip(tasks, paths, strict=True)) if paths else {}
    return {
        task: Decomposed(vector, files[task], sha256_of(vector.path)) if files else vector
        for task, vector in task_vectors.items()
    }


def decompositions(vector: Weights, layouts: Iterable[Qkv], device: str = "cpu") -> dict[str, Tensor]:
    """Return the content of a task vector's file; matrices in float64, which are decomposed otherwise, have no entry.

    Args:
        vector: The task vector.
        layouts: How methods take attention's projections apart; see :data:`remerge.merging.matrices.Qkv`.
        device: Where to decompose.

    Raises:
        ParameterError: No tensor is a matrix.
        RemergeError: The task vector holds NaN or infinity.
    """
    shapes = {key: shape_of(vector, key) for key in vector}
    matrices = {name_of(matrix): matrix for qkv in layouts for matrix in matrices_in(shapes, "all", qkv)}
    found: dict[str, Tensor] = {}
    for name, matrix in ProgressBar(matrices.items(), desc="decompose", unit="matrix"):
        (task,) = TasksOfMatrix([vector], matrix, device)
        if task.dtype != torch.float64:
            values, vectors = of_shorter_side(task)
            found |= {VALUES + name: values.cpu(), VECTORS + name: vectors.cpu()}
    return found


def thin_svds(tasks: Sequence[Tensor], rank: int | None = None) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield the decomposition of a matrix in every task vector, read where there is a file of it, else computed.

    Args:
        tasks: The matrix in every task vector, as a merge rule is given it.
        rank: See :func:`remerge.merging.singular.thin_svd`, as for what is returned.

    Raises:
        RemergeError: See :meth:`Decomposed.shorter_side`.
    """
    for index, task in enumerate(tasks):
        if task.dtype != torch.float64 and (made := _made_before(tasks, index)):
            values, vectors = made
            yield from_shorter_side(task, values.to(task.device), vectors.to(task.device), rank)
        else:
            yield thin_svd(task, rank)


def _made_before(tasks: Sequence[Tensor], index: int) -> tuple[Tensor, Tensor] | None:
    """What a file has of a task's matrix, if there is one."""
    if not isinstance(tasks, TasksOfMatrix):
        return None
    vector = tasks.task_vectors[index]
    return vector.shorter_side(tasks.matrix) if isinstance(vector, Decomposed) else None


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a task vector's file, as it is in the header of its decompositions."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def name_of(matrix: Matrix) -> str:
    """Return a matrix's name in the file: its tensor's, or those of several, and the entries that it is made of."""
    return "+".join(f"{place.key}[{place.begin}:{place.end}]" for place in matrix.places)
