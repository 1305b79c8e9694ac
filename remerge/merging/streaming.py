"""Merging tile by tile: a merge rule applied to a few entries of all task vectors at a time.

A tile holds the same entries of every task, small enough to stay in a core's cache through all steps of a rule, so
that memory does not grow with the number of tasks, and every byte is read from memory once per pass. Tiles are
spread over as many threads as torch may use.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor

from remerge.checkpoints.weights import Weights, computing_dtype
from remerge.errors import RemergeError
from remerge.merging.memory import empty_like
from remerge.merging.rules import MergeRule, Place
from remerge.run.progress import ProgressBar

# Entries of all tasks together that a tile may hold: few enough for a core's caches, enough that Python, which only
# one thread at a time can run, takes no time beside the computing.
TILE = 2**20
# What one thread is given at a time, so that giving costs little.
TILES_AT_A_TIME = 16
PROGRESS_FROM = 500_000_000


class Difference(Mapping[str, Tensor]):
    """A task vector that is computed when it is looked at: fine-tuned minus pre-trained weights.

    Floating-point tensors only, in float32, or float64 where the weights are.
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
        """Return a function from a range to these entries of a flattened tensor."""
        start, tuned = (weights[key].reshape(-1) for weights in (self.pretrained, self.finetuned))
        dtype = computing_dtype(start.dtype)
        return lambda begin, end: tuned[begin:end].to(dtype) - start[begin:end].to(dtype)

    def numel(self, key: str) -> int:
        """Return how many entries a tensor has."""
        return self.pretrained[key].numel()

    def dtype(self, key: str) -> torch.dtype:
        """Return the dtype a tensor's entries are computed in."""
        return computing_dtype(self.pretrained[key].dtype)


def entries_of(vector: Weights, key: str) -> Callable[[int, int], Tensor]:
    """Return a function from a range to these entries of a flattened tensor of a task vector."""
    if isinstance(vector, Difference):
        return vector.entries(key)
    flat = vector[key].reshape(-1)
    return lambda begin, end: flat[begin:end]


def numel_of(vector: Weights, key: str) -> int:
    """Return how many entries a tensor of a task vector has, without computing them."""
    return vector.numel(key) if isinstance(vector, Difference) else vector[key].numel()


def dtype_of(vector: Weights, key: str) -> torch.dtype:
    """Return the dtype of a task vector's tensor, without computing it."""
    return vector.dtype(key) if isinstance(vector, Difference) else vector[key].dtype


def is_moved(vector: Weights, key: str) -> bool:
    """Say whether a tensor of a task vector has any entry but zeros, computing a tile at a time."""
    entries, tiles = entries_of(vector, key), Place(key, 0, numel_of(vector, key)).split(TILE)
    return any(bool(entries(tile.begin, tile.end).any()) for tile in tiles)


def merged_by(rule: MergeRule, task_vectors: Sequence[Weights]) -> dict[str, Tensor]:
    """Merge task vectors by a rule.

    Args:
        rule: The method.
        task_vectors: One per task, with the same keys and shapes; memory-mapped ones are never held as a whole.

    Returns:
        The merged task vector.

    Raises:
        RemergeError: A task vector holds NaN or infinity; the message names task, tensor and how many.
    """
    merged = empty_like(task_vectors[0])

    def keep(place: Place, entries: Tensor) -> None:
        merged[place.key].view(-1)[place.begin : place.end] = entries

    merge_tiles(rule, task_vectors, keep)
    return merged


def merge_tiles(rule: MergeRule, task_vectors: Sequence[Weights], write: Callable[[Place, Tensor], None]) -> None:
    """Merge task vectors by a rule and hand on every tile's merged entries, ``[n]``, some of them twice.

    Args:
        rule: The method.
        task_vectors: One per task, with the same keys and shapes.
        write: What to do with the entries of a place; those handed on last hold. Called from several threads.

    Raises:
        RemergeError: A task vector holds NaN or infinity; the message names task, tensor and how many.
    """

    def work(place: Place, entries: Sequence[Tensor]) -> None:
        merged = rule(place, entries)
        # A sum tells in one number whether any entry is not finite; that it may overflow costs a second look.
        if not merged.sum().isfinite():
            check_finite(task_vectors, place.key)
        write(place, merged)

    for_each_tile(work, task_vectors)
    for_each_tile(work, task_vectors, rule.repeat())


def for_each_tile(
    work: Callable[[Place, Sequence[Tensor]], None],
    task_vectors: Sequence[Weights],
    places: Sequence[Place] | None = None,
) -> None:
    """Call ``work`` for every tile, on several threads.

    Args:
        work: Called with the tile's place and every task's entries, ``[n]`` each.
        task_vectors: One per task, with the same keys and shapes.
        places: Where to cut tiles from; from everything when None.
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
    bar = ProgressBar(total=total, unit="entry", unit_scale=True, desc="merge", disable=total < PROGRESS_FROM)
    with bar, one_thread_each() as threads, ThreadPoolExecutor(threads) as pool:
        try:
            for done in pool.map(work_through, groups):
                bar.update(done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def one_thread_each() -> Iterator[int]:
    """Let every operation run on the thread that calls it, and yield how many threads there may be."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
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
