"""Merging tile by tile: every data-free method as a rule for a few entries of all task vectors at a time.

A tile holds the same entries of every task, small enough to stay in the processor's cache through all steps of a
rule, so that memory does not grow with the number of tasks, and every byte is read from memory once per pass.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from remerge.errors import RemergeError
from remerge.weights import Weights, computing_dtype

# Eight tasks' tiles of float32 fill 4 MB: a core's share of common caches.
TILE = 2**17
PROGRESS_FROM = 500_000_000


class Difference(Mapping[str, Tensor]):
    """A task vector that is computed when it is looked at: fine-tuned minus pre-trained weights.

    Floating-point tensors only, in float32, or float64 where the weights are.
    """

    def __init__(self, pretrained: Weights, finetuned: Weights) -> None:
        self.pretrained = pretrained
        self.finetuned = finetuned
        self.keys_ = [key for key in pretrained if pretrained[key].is_floating_point()]

    def __getitem__(self, key: str) -> Tensor:
        shape = self.pretrained[key].shape
        return self.tile(key, 0, shape.numel()).reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys_)

    def __len__(self) -> int:
        return len(self.keys_)

    def tile(self, key: str, begin: int, end: int) -> Tensor:
        """Return some entries of a flattened tensor."""
        start, tuned = (weights[key].reshape(-1)[begin:end] for weights in (self.pretrained, self.finetuned))
        dtype = computing_dtype(start.dtype)
        return tuned.to(dtype) - start.to(dtype)


def tile_of(vector: Weights, key: str, begin: int, end: int) -> Tensor:
    """Return some entries of one flattened tensor of a task vector."""
    if isinstance(vector, Difference):
        return vector.tile(key, begin, end)
    return vector[key].reshape(-1)[begin:end]


@dataclass(frozen=True)
class Place:
    """Where a tile lies.

    Attributes:
        key: The tensor's name.
        begin: Its first entry in the flattened tensor.
        end: One past its last.
    """

    key: str
    begin: int
    end: int


def places(vector: Weights, keys: Sequence[str] | None = None) -> Iterator[Place]:
    """Return the places of all tiles, tensor after tensor."""
    for key in vector if keys is None else keys:
        numel = vector[key].numel()
        for begin in range(0, numel, TILE):
            yield Place(key, begin, min(begin + TILE, numel))


def stacked(task_vectors: Sequence[Weights], place: Place) -> Tensor:
    """Return a tile of its own memory, ``[tasks, n]``."""
    return torch.stack([tile_of(vector, place.key, place.begin, place.end) for vector in task_vectors])


class Rule:
    """How one method merges: the same few entries of every task into one."""

    def __call__(self, place: Place, tile: Tensor) -> Tensor:
        """Return the merged entries, ``[n]``, of a tile, ``[tasks, n]``, which may be overwritten."""
        raise NotImplementedError

    def repeat(self) -> Sequence[Place]:
        """Return the places to merge once more, now that all tiles have been seen."""
        return ()


def merged_by(rule: Rule, task_vectors: Sequence[Weights]) -> dict[str, Tensor]:
    """Merge task vectors by a rule, one tile after the other.

    Args:
        rule: The method.
        task_vectors: One per task, with the same keys and shapes; memory-mapped ones are never held as a whole.

    Returns:
        The merged task vector.

    Raises:
        RemergeError: A task vector holds NaN or infinity; the message names task, tensor and how many.
    """
    merged = {
        key: torch.empty_like(tensor, memory_format=torch.contiguous_format) for key, tensor in task_vectors[0].items()
    }

    def keep(place: Place, entries: Tensor) -> None:
        merged[place.key].view(-1)[place.begin : place.end] = entries

    merge_tiles(rule, task_vectors, keep)
    return merged


@torch.no_grad()
def merge_tiles(rule: Rule, task_vectors: Sequence[Weights], write: Callable[[Place, Tensor], None]) -> None:
    """Merge task vectors by a rule and hand on every tile's merged entries, ``[n]``, some of them twice.

    Args:
        rule: The method.
        task_vectors: One per task, with the same keys and shapes.
        write: What to do with the entries of a place; those handed on last hold.

    Raises:
        RemergeError: A task vector holds NaN or infinity; the message names task, tensor and how many.
    """
    first = task_vectors[0]
    total = sum(place.end - place.begin for place in places(first))
    with tqdm(total=total, unit="entry", unit_scale=True, desc="merge", disable=total < PROGRESS_FROM) as bar:
        for place in itertools.chain(places(first), _afterwards(rule)):
            entries = rule(place, stacked(task_vectors, place))
            # A sum tells in one number whether any entry is not finite; that it may overflow costs a second look.
            if not entries.sum().isfinite():
                check_finite(task_vectors, place)
            write(place, entries)
            bar.update(place.end - place.begin)


def _afterwards(rule: Rule) -> Iterator[Place]:
    # Asked only once all tiles have been seen.
    yield from rule.repeat()


def check_finite(task_vectors: Sequence[Weights], place: Place) -> None:
    """Refuse a tensor that holds NaN or infinity in any task.

    Raises:
        RemergeError: It does; the message names task, tensor and how many.
    """
    for number, vector in enumerate(task_vectors, start=1):
        count = int((~vector[place.key].isfinite()).sum())
        if count:
            raise RemergeError(
                f"task vector {number}: {place.key!r} holds {count} entries that are NaN or infinite; "
                "its checkpoint is broken"
            )
