"""Which tensors are merged as whole matrices, and what becomes of the others. Torch-free, as rules are."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from remerge.errors import ParameterError
from remerge.merging.rules import Matrix, MergeRule, Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    Shapes = Mapping[str, Sequence[int]]

Which = Literal["all", "linear"]
"""Which tensors with two dimensions count as matrices: all, or only weights of attention and MLP blocks."""

Others = Literal["zero", "mean", "sum"]
"""What becomes of every other tensor: it stays pre-trained, or its task vectors are averaged or summed."""

Qkv = Literal["stored", "fused", "split"]
"""Whether the projections to query, key and value are one matrix or three; ``stored``: as they are in the file."""

BLOCKS = re.compile(r"attn|attention(?!_bias)|mlp|Attention\.[kqvo]\.|DenseReluDense")
"""In the names of their weights; T5's begin with a capital letter, and its bias of positions is no weight matrix."""

FUSED = ("in_proj_weight", "qkv.weight")
SPLIT = (("q_proj.weight", "k_proj.weight", "v_proj.weight"), ("query.weight", "key.weight", "value.weight"))


class MatrixRule(MergeRule):
    """How a method merges that decomposes whole matrices; a subclass says how (``merge_matrix``).

    Attributes:
        shares_rank: Whether tasks share a matrix's rank, so that it must be at least their number.
    """

    shares_rank: ClassVar[bool] = False

    def __init__(self, matrices: Which, others: Others, qkv: Qkv, tasks: int) -> None:
        """Note what the method's parameters say.

        Args:
            matrices: See :data:`Which`.
            others: See :data:`Others`.
            qkv: See :data:`Qkv`.
            tasks: How many tasks are merged.

        Raises:
            ParameterError: A parameter is none of its values.
        """
        for name, value, values in (("matrices", matrices, Which), ("others", others, Others), ("qkv", qkv, Qkv)):
            if value not in get_args(values):
                raise ParameterError(f"{name} must be {' or '.join(map(repr, get_args(values)))}, got {value!r}")
        self.which: Which = matrices
        self.others: Others = others
        self.qkv: Qkv = qkv
        self.tasks = tasks

    def __call__(self, place: Place, entries: Sequence[Tensor]) -> Tensor:
        """Return what becomes of entries outside of matrices."""
        return merge_others(self.others, entries)

    def matrices(self, shapes: Shapes) -> Sequence[Matrix]:
        """Return the matrices to merge whole; one too small to be shared by all tasks is merged as other tensors are.

        Raises:
            ParameterError: There are none, or all are too small.
        """
        found = matrices_in(shapes, self.which, self.qkv)
        if not self.shares_rank:
            return found
        large = [matrix for matrix in found if min(matrix.shape) >= self.tasks]
        if not large:
            raise ParameterError(
                f"{found[0].places[0].key!r} of shape {list(found[0].shape)} is too small for {self.tasks} tasks, and "
                "no matrix is larger; merge fewer tasks"
            )
        return large


def merge_others(others: Others, entries: Sequence[Tensor]) -> Tensor:
    """Return what becomes of entries outside of matrices, in new memory, given every task's, of one shape."""
    if others == "zero":
        return entries[0].new_zeros(entries[0].shape)
    total = entries[0].clone()
    for other in entries[1:]:
        total += other
    return total if others == "sum" else total.div_(len(entries))


def matrices_in(shapes: Shapes, which: Which, qkv: Qkv) -> list[Matrix]:
    """Return the matrices among tensors of some shapes.

    Args:
        shapes: By the tensors' names.
        which: See :data:`Which`.
        qkv: See :data:`Qkv`.

    Raises:
        ParameterError: There are none.
    """
    chosen = {
        key: (shape[0], shape[1])
        for key, shape in shapes.items()
        if len(shape) == 2 and 0 not in shape and (which == "all" or BLOCKS.search(key))
    }
    if not chosen:
        raise ParameterError(
            "no tensor is a weight matrix of an attention or MLP block; set `matrices` to all"
            if which == "linear"
            else "no tensor is a matrix; merge these models by another method"
        )
    found = []
    for key, (rows, columns) in chosen.items():
        keys = _stacked(key, chosen) if qkv == "fused" else [key]
        if key != keys[0]:
            continue
        places = tuple(Place(each, 0, math.prod(chosen[each])) for each in keys)
        if qkv == "split" and key.endswith(FUSED) and rows % 3 == 0:
            found += [Matrix((part,), (rows // 3, columns)) for part in places[0].split(rows // 3 * columns)]
        else:
            found.append(Matrix(places, (sum(chosen[each][0] for each in keys), columns)))
    return found


def _stacked(key: str, shapes: Mapping[str, tuple[int, int]]) -> list[str]:
    """The projections to query, key and value that one of them is stacked with; any other tensor alone."""
    for names in SPLIT:
        for name in names:
            together = [f"{key.removesuffix(name)}{each}" for each in names]
            if key.endswith(name) and all(each in shapes and shapes[each][1] == shapes[key][1] for each in together):
                return together
    return [key]
