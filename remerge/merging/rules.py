"""Merge rules: how to merge the same few entries of every task, or whole matrices.

Torch-free, so that the configuration can import it. :mod:`remerge.merging.streaming` applies a rule to task vectors.
"""

from collections.abc import Iterator, Mapping, Sequence
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


@dataclass(frozen=True)
class Matrix:
    """A matrix that is merged whole: a tensor, some of its rows, or several tensors stacked on each other.

    Attributes:
        places: Where its rows are, from the first to the last.
        shape: Rows and columns.
    """

    places: tuple[Place, ...]
    shape: tuple[int, int]

    def parts(self) -> "Iterator[tuple[Place, slice]]":
        """Yield every place, and where its entries are in the flattened matrix."""
        begin = 0
        for place in self.places:
            end = begin + place.end - place.begin
            yield place, slice(begin, end)
            begin = end


class MergeRule:
    """How one method merges: the same few entries of every task into one, or the same matrix of every task."""

    def __call__(self, place: Place, entries: "Sequence[Tensor]") -> "Tensor":
        """Return the merged entries, ``[n]``, in new memory, given the entries of every task, ``[n]`` each.

        It is called from several threads at once. The entries belong to the task vectors and must not be modified.
        """
        raise NotImplementedError

    def repeat(self) -> Sequence[Place]:
        """Return the places to merge again, after all tiles have been seen."""
        return ()

    def matrices(self, shapes: Mapping[str, Sequence[int]]) -> Sequence[Matrix]:
        """Return the matrices to merge whole; the tensors that they are not made of are merged tile by tile.

        Args:
            shapes: The shape of every tensor of a task vector, by name.
        """
        return ()

    def merge_matrix(self, matrix: Matrix, tasks: "Sequence[Tensor]") -> "Tensor":
        """Return a matrix merged, ``[rows, columns]``, given it in every task vector; read on access.

        It is called from several threads at once. The tasks' matrices must not be modified.
        """
        raise NotImplementedError


class Around(MergeRule):
    """A rule that changes what another one is given, or what it merges; plug-ins return such rules.

    Attributes:
        rule: The rule that it wraps.
    """

    def __init__(self, rule: MergeRule) -> None:
        self.rule = rule

    def __call__(self, place: Place, entries: "Sequence[Tensor]") -> "Tensor":
        """Return the wrapped rule's merge of a tile, changed."""
        return self.after(place, self.rule(place, self.before(place, entries)), entries)

    def before(self, place: Place, entries: "Sequence[Tensor]") -> "Sequence[Tensor]":
        """Return the entries that the wrapped rule merges, ``[n]`` each, given those of every task."""
        return entries

    def after(self, place: Place, merged: "Tensor", entries: "Sequence[Tensor]") -> "Tensor":
        """Return merged entries, ``[n]``, given what the wrapped rule merged and every task's entries, unchanged."""
        return merged

    def repeat(self) -> Sequence[Place]:
        """Return the places that the wrapped rule must see again."""
        return self.rule.repeat()

    def matrices(self, shapes: Mapping[str, Sequence[int]]) -> Sequence[Matrix]:
        """Return the matrices that the wrapped rule merges whole."""
        return self.rule.matrices(shapes)

    def merge_matrix(self, matrix: Matrix, tasks: "Sequence[Tensor]") -> "Tensor":
        """Return the wrapped rule's merge of a matrix, changed place by place on the CPU."""
        import torch

        device = tasks[0].device
        flat = [task.reshape(-1).cpu() for task in tasks]
        entries = {place: [each[part] for each in flat] for place, part in matrix.parts()}
        given = {place: self.before(place, entries[place]) for place in matrix.places}
        # What was not changed may have been decomposed already.
        if any(given[place] is not entries[place] for place in matrix.places):
            rows = zip(*given.values(), strict=True)
            tasks = [torch.cat(each).view(matrix.shape).to(device) for each in rows]
        merged = self.rule.merge_matrix(matrix, tasks)
        merged = merged.reshape(-1).cpu().to(flat[0].dtype)
        changed = [self.after(place, merged[part], entries[place]) for place, part in matrix.parts()]
        return torch.cat(changed).view(matrix.shape).to(device)
