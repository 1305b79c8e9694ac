"""Merging tile by tile: a merge rule is applied to a few entries of all task vectors at a time.

A tile has the same entries of every task and is small enough to stay in a core's cache through all steps of a rule.
Memory does not grow with the number of tasks, and every byte is read from memory once per pass. Tiles are processed by
as many threads as torch may use. Rules that decompose matrices get these whole; memory then grows with the largest.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar, overload

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from remerge.checkpoints.weights import Weights, computing_dtype
from remerge.errors import RemergeError
from remerge.merging.memory import empty_like
from remerge.merging.rules import Matrix, MergeRule, Place
from remerge.run.progress import ProgressBar

Work = TypeVar("Work")

# Size of a tile in entries, over all tasks: small enough for a core's caches, and large enough that Python's overhead,
# which cannot run in parallel, is negligible.
TILE = 2**20
# Work given to a thread at a time, large enough that scheduling costs little.
TILES_AT_A_TIME = 16
PROGRESS_FROM = 500_000_000
# Entries, over all tasks, of the matrices that are merged at the same time: a gigabyte, and what rules make of it.
MATRICES_AT_A_TIME = 2**28
# Decomposing a matrix takes a hundred times as long as passing over its entries.
PROGRESS_OF_MATRICES_FROM = PROGRESS_FROM // 100


class Difference(Mapping[str, Tensor]):
    """A task vector that is computed on access: fine-tuned minus pre-trained weights.

    It has floating-point tensors only, in float32, or in float64 where the weights are float64.
    """

    def __init__(self, pretrained: Weights, finetuned: Weights) -> None:
        self.pretrained = pretrained
        self.finetuned = finetuned
        self._keys = [key for key in pretrained if pretrained[key].is_floating_point()]

    def __getitem__(self, key: str) -> Tensor:
        shape = self.pretrained[key].shape
        return self.entries(key)(0, shape.numel()).reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def entries(self, key: str) -> Callable[[int, int], Tensor]:
        """Return a function that maps a range to these entries of a flattened tensor."""
        start, tuned = (weights[key].reshape(-1) for weights in (self.pretrained, self.finetuned))
        dtype = computing_dtype(start.dtype)
        return lambda begin, end: tuned[begin:end].to(dtype) - start[begin:end].to(dtype)

    def shape(self, key: str) -> torch.Size:
        """Return the shape of a tensor."""
        return self.pretrained[key].shape

    def dtype(self, key: str) -> torch.dtype:
        """Return the dtype in which a tensor's entries are computed."""
        return computing_dtype(self.pretrained[key].dtype)


class Computed(Mapping[str, Tensor]):
    """A task vector whose entries are computed on access, with the names, shapes and dtypes of another."""

    def __init__(self, like: Weights, entries: Callable[[str], Callable[[int, int], Tensor]]) -> None:
        """Make a task vector.

        Args:
            like: The other task vector.
            entries: Maps a tensor's name to a function that maps a range to these entries of the flattened tensor.
        """
        self.like = like
        self.entries = entries

    def __getitem__(self, key: str) -> Tensor:
        shape = shape_of(self.like, key)
        return self.entries(key)(0, shape.numel()).reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self.like)

    def __len__(self) -> int:
        return len(self.like)

    def shape(self, key: str) -> torch.Size:
        """Return the shape of a tensor."""
        return shape_of(self.like, key)

    def dtype(self, key: str) -> torch.dtype:
        """Return the dtype in which a tensor's entries are computed."""
        return dtype_of(self.like, key)


def entries_of(vector: Weights, key: str) -> Callable[[int, int], Tensor]:
    """Return a function that maps a range to these entries of a flattened tensor of a task vector."""
    if isinstance(vector, Difference | Computed):
        return vector.entries(key)
    flat = vector[key].reshape(-1)
    return lambda begin, end: flat[begin:end]


def shape_of(vector: Weights, key: str) -> torch.Size:
    """Return the shape of a task vector's tensor, without computing it."""
    return vector.shape(key) if isinstance(vector, Difference | Computed) else vector[key].shape


def numel_of(vector: Weights, key: str) -> int:
    """Return the number of entries of a task vector's tensor, without computing them."""
    return shape_of(vector, key).numel()


def dtype_of(vector: Weights, key: str) -> torch.dtype:
    """Return the dtype of a task vector's tensor, without computing it."""
    return vector.dtype(key) if isinstance(vector, Difference | Computed) else vector[key].dtype


def is_moved(vector: Weights, key: str) -> bool:
    """Return whether a task vector's tensor has any nonzero entry, computing a tile at a time."""
    entries, tiles = entries_of(vector, key), Place(key, 0, numel_of(vector, key)).split(TILE)
    return any(bool(entries(tile.begin, tile.end).any()) for tile in tiles)


def merged_by(rule: MergeRule, task_vectors: Sequence[Weights], device: str = "cpu") -> dict[str, Tensor]:
    """Merge task vectors by a rule.

    Args:
        rule: The method.
        task_vectors: One per task, with the same keys and shapes; memory-mapped ones are never wholly in memory.
        device: Where matrices are merged that the rule asks for.

    Returns:
        The merged task vector, on the CPU.

    Raises:
        RemergeError: A task vector holds NaN or infinity; the message names task, tensor and how many.
    """
    merged = empty_like(task_vectors[0])

    def keep(place: Place, entries: Tensor) -> None:
        merged[place.key].view(-1)[place.begin : place.end] = entries

    merge_tiles(rule, task_vectors, keep, device)
    return merged


def merge_tiles(
    rule: MergeRule, task_vectors: Sequence[Weights], write: Callable[[Place, Tensor], None], device: str = "cpu"
) -> None:
    """Merge task vectors by a rule and write the merged entries of matrices and tiles, ``[n]``, some of them twice.

    Args:
        rule: The method.
        task_vectors: One per task, with the same keys and shapes.
        write: Writes the entries of a place; a later call replaces earlier entries. Called from several threads.
        device: Where matrices are merged that the rule asks for.

    Raises:
        RemergeError: A task vector holds NaN or infinity; the message names task, tensor and how many.
    """

    def work(place: Place, entries: Sequence[Tensor]) -> None:
        merged = rule(place, entries)
        # If the sum is finite, so are all entries. If it is not, it may have overflowed, so check the entries.
        if not merged.sum().isfinite():
            check_finite(task_vectors, place.key)
        write(place, merged)

    matrices = rule.matrices({key: shape_of(task_vectors[0], key) for key in task_vectors[0]})
    merge_matrices(rule, matrices, task_vectors, write, device)
    whole = {place.key for matrix in matrices for place in matrix.places}
    keys = [key for key in task_vectors[0] if key not in whole]
    for_each_tile(work, task_vectors, [Place(key, 0, numel_of(task_vectors[0], key)) for key in keys])
    for_each_tile(work, task_vectors, rule.repeat())


class TasksOfMatrix(Sequence[Tensor]):
    """A matrix in every task vector, read and moved to a device on access."""

    def __init__(self, task_vectors: Sequence[Weights], matrix: Matrix, device: str = "cpu") -> None:
        self.task_vectors = task_vectors
        self.matrix = matrix
        self.device = device

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> list[Tensor]: ...
    def __getitem__(self, index: int | slice) -> Tensor | list[Tensor]:
        """Return one task's matrix, or several; see :meth:`read` for errors."""
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        return self.read(index).to(self.device)

    def read(self, index: int) -> Tensor:
        """Return one task's matrix, on the CPU.

        Raises:
            RemergeError: It holds NaN or infinity; the message names task, tensor and how many.
        """
        vector = self.task_vectors[index]
        rows = [entries_of(vector, place.key)(place.begin, place.end) for place in self.matrix.places]
        read = (rows[0] if len(rows) == 1 else torch.cat(rows)).view(self.matrix.shape)
        if not read.sum().isfinite():
            for place in self.matrix.places:
                check_finite(self.task_vectors, place.key)
        return read

    def __len__(self) -> int:
        return len(self.task_vectors)


def merge_matrices(
    rule: MergeRule,
    matrices: Sequence[Matrix],
    task_vectors: Sequence[Weights],
    write: Callable[[Place, Tensor], None],
    device: str,
) -> None:
    """Merge matrices by a rule, several at the same time if they are small enough, and write their entries, ``[n]``.

    One that no task moved is not given to the rule: it stays, however large it is.

    Args:
        rule: The method.
        matrices: Those that the rule merges whole.
        task_vectors: One per task, with the same keys and shapes.
        write: Writes the entries of a place. Called from several threads.
        device: Where to merge; off the CPU, one matrix at a time.

    Raises:
        RemergeError: A task vector holds NaN or infinity; the message names task, tensor and how many.
    """
    if not matrices:
        return

    def work_through(matrix: Matrix) -> int:
        tasks = TasksOfMatrix(task_vectors, matrix, device)
        with torch.no_grad():
            is_moved = any(bool(tasks.read(index).any()) for index in range(len(tasks)))
            merged = rule.merge_matrix(matrix, tasks).reshape(-1).cpu() if is_moved else tasks.read(0).reshape(-1)
        for place, part in matrix.parts():
            write(place, merged[part].to(dtype_of(task_vectors[0], place.key)))
        return len(merged)

    by_size = sorted(matrices, key=lambda matrix: -math.prod(matrix.shape))
    at_a_time = MATRICES_AT_A_TIME // (len(task_vectors) * math.prod(by_size[0].shape)) if device == "cpu" else 1
    total = sum(math.prod(matrix.shape) for matrix in matrices)
    _in_threads(work_through, by_size, total, PROGRESS_OF_MATRICES_FROM, at_a_time)


def spoil(merged: Tensor, entries: Sequence[Tensor]) -> Tensor:
    """Return merged entries, made NaN where any task's entry is not finite: for rules that pass over such entries."""
    for task in entries:
        merged.add_(task, alpha=0)
    return merged


def for_each_tile(
    work: Callable[[Place, Sequence[Tensor]], object],
    task_vectors: Sequence[Weights],
    places: Sequence[Place] | None = None,
) -> None:
    """Call ``work`` for every tile, on several threads.

    Args:
        work: Called with the tile's place and every task's entries, ``[n]`` each.
        task_vectors: One per task, with the same keys and shapes.
        places: The places to split into tiles; everything if None.
    """
    if places is None:
        places = [Place(key, 0, numel_of(task_vectors[0], key)) for key in task_vectors[0]]
    size = max(1, TILE // len(task_vectors))
    groups = [group for place in places for group in place.split(size * TILES_AT_A_TIME)]

    def work_through(group: Place) -> int:
        with torch.no_grad():
            tasks = [entries_of(vector, group.key) for vector in task_vectors]
            for tile in group.split(size):
                work(tile, [task(tile.begin, tile.end) for task in tasks])
        return group.end - group.begin

    total = sum(group.end - group.begin for group in groups)
    _in_threads(work_through, groups, total, PROGRESS_FROM)


def _in_threads(
    work_through: Callable[[Work], int],
    parts: Iterable[Work],
    total: int,
    progress_from: int,
    at_a_time: int | None = None,
) -> None:
    """Work through parts on several threads, with a bar that shows how many of all entries are done."""
    bar = ProgressBar(total=total, unit="entry", unit_scale=True, desc="merge", disable=total < progress_from)
    with bar, one_thread_each(at_a_time) as threads, ThreadPoolExecutor(threads) as pool:
        try:
            for done in pool.map(work_through, parts):
                bar.update(done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def one_thread_each(at_a_time: int | None = None) -> Iterator[int]:
    """Run every operation, torch's or NumPy's, on the calling thread, and yield the number of threads to use.

    Args:
        at_a_time: The most threads to use; if they are fewer than torch may use, operations share the others.
    """
    threads = torch.get_num_threads()
    used = threads if at_a_time is None else max(1, min(threads, at_a_time))
    each = max(1, threads // used)
    torch.set_num_threads(each)
    try:
        with threadpool_limits(each, user_api="blas"):
            yield used
    finally:
        torch.set_num_threads(threads)


def check_finite(task_vectors: Sequence[Weights], key: str) -> None:
    """Refuse a tensor that holds NaN or infinity in any task.

    Raises:
        RemergeError: It does; the message names task, tensor and how many.
    """
    for number, vector in enumerate(task_vectors, start=1):
        entries = entries_of(vector, key)
        tiles = Place(key, 0, numel_of(vector, key)).split(TILE)
        count = sum(int((~entries(tile.begin, tile.end).isfinite()).sum()) for tile in tiles)
        if count:
            raise RemergeError(
                f"task vector {number}: {key!r} holds {count} entries that are NaN or infinite; "
                "its checkpoint is broken"
            )
