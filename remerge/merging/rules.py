"""Merge rules: how the same few entries of every task become one. Free of torch, so that the configuration can load it.

:mod:`remerge.merging.streaming` applies a rule to whole task vectors.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Scope = Literal["vector", "trained", "tensor"]
"""What the share kept by trimming is a share of; see :func:`remerge.merging.ties.trim_thresholds`."""

Merge = Literal["sum", "mean", "max"]
"""How TIES joins entries of one sign."""


@dataclass(frozen=True)
class Place:
    """Where a tile, or several beside each other, lie.

    Attributes:
        key: The tensor's name.
        begin: Its first entry in the flattened tensor.
        end: One past its last.
    """

    key: str
    begin: int
    end: int

    def split(self, size: int) -> "Iterator[Place]":
        """Return the place cut into parts of a size."""
        for begin in range(self.begin, self.end, size):
            yield Place(self.key, begin, min(begin + size, self.end))


class MergeRule:
    """How one method merges: the same few entries of every task into one."""

    def __call__(self, place: Place, entries: "Sequence[Tensor]") -> "Tensor":
        """Return the merged entries, ``[n]``, in memory of their own, of every task's, ``[n]`` each.

        Called from several threads at once. What it is given belongs to the task vectors and stays as it is.
        """
        raise NotImplementedError

    def repeat(self) -> Sequence[Place]:
        """Return the places to merge once more, now that all tiles have been seen."""
        return ()
