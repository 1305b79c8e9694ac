"""Merge rules: how to merge the same few entries of every task. Torch-free, so that the configuration can import it.

:mod:`remerge.merging.streaming` applies a rule to whole task vectors.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Scope = Literal["vector", "trained", "tensor"]
"""What the share kept by trimming refers to; see :func:`remerge.merging.ties.trim_thresholds`."""

Merge = Literal["sum", "mean", "max"]
"""How TIES merges entries of one sign."""


@dataclass(frozen=True)
class Place:
    """The position of a tile or of several adjacent tiles.

    Attributes:
        key: The tensor's name.
        begin: Index of the first entry in the flattened tensor.
        end: One past the index of the last entry.
    """

    key: str
    begin: int
    end: int

    def split(self, size: int) -> "Iterator[Place]":
        """Return the place split into parts of a given size."""
        for begin in range(self.begin, self.end, size):
            yield Place(self.key, begin, min(begin + size, self.end))


class MergeRule:
    """How one method merges: the same few entries of every task into one."""

    def __call__(self, place: Place, entries: "Sequence[Tensor]") -> "Tensor":
        """Return the merged entries, ``[n]``, in new memory, given the entries of every task, ``[n]`` each.

        It is called from several threads at once. The entries belong to the task vectors and must not be modified.
        """
        raise NotImplementedError

    def repeat(self) -> Sequence[Place]:
        """Return the places to merge again, after all tiles have been seen."""
        return ()


class Around(MergeRule):
    """A rule that calls another one and changes what it merges, or what it is given; plug-ins return such rules.

    Attributes:
        rule: The rule that it wraps.
    """

    def __init__(self, rule: MergeRule) -> None:
        self.rule = rule

    def repeat(self) -> Sequence[Place]:
        """Return the places that the wrapped rule must see again."""
        return self.rule.repeat()
