"""SVC: a merged task vector's singular values divided by how often tasks count them (arXiv:2602.05536).

Task ``i`` responds to a left singular vector ``u`` of the merged matrix ``M`` by ``a = u^T tau_i``, and
``s = <u^T M, a> / |a|^2`` says how often the merge contains that response. The singular value is divided by the mean
over tasks of ``max(alpha, s)``. FusionBench's code takes each task's response to its own singular vectors instead; the
formula is the paper's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from remerge.errors import ParameterError
from remerge.merging.matrices import Qkv, Which, matrices_in
from remerge.merging.rules import Around, Matrix, Place
from remerge.methods.parameters import Scaling, parameter
from remerge.methods.plug_ins import PlugIn, wrapped_rule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from remerge.checkpoints.weights import Weights
    from remerge.merging.rules import MergeRule


@dataclass(frozen=True, kw_only=True)
class Svc(PlugIn):
    """Another method's singular values divided by how often tasks count them (arXiv:2602.05536)."""

    algorithm: Literal["svc"]
    alpha: float = parameter(
        1.0, gt=0, description="The least that a task counts as; singular values grow at most by its inverse."
    )
    coefficient: float = parameter(
        1.0,
        description="The wrapped method's merging coefficient, by which its merge is scaled before it is calibrated.",
    )
    matrices: Which = parameter(
        "all",
        description="Which tensors are calibrated as matrices: `all` with two dimensions, or the weights of `linear` "
        "layers in attention and MLP blocks; around a method that merges matrices, those that it merges.",
    )
    qkv: Qkv = parameter(
        "stored",
        description="Attention's projections to query, key and value, `fused`, `split` or as `stored`; likewise.",
    )
    scaling: Scaling = parameter(1.0, description="The coefficient of the calibrated task vector.")


class Calibrated(Around):
    """The wrapped rule's merge with calibrated singular values."""

    def __init__(
        self, rule: MergeRule, matrices: Sequence[Matrix], alpha: float, coefficient: float, by_tiles: bool
    ) -> None:
        super().__init__(rule)
        self.alpha = alpha
        self.coefficient = coefficient
        self._matrices = matrices
        self._by_tiles = by_tiles

    def after(self, place: Place, merged: Tensor, entries: Sequence[Tensor]) -> Tensor:
        """Return merged entries times the wrapped method's coefficient."""
        return merged.mul_(self.coefficient)

    def repeat(self) -> Sequence[Place]:
        """Return none: the wrapped rule has seen all tiles already."""
        return ()

    def matrices(self, shapes: Mapping[str, Sequence[int]]) -> Sequence[Matrix]:
        """Return the matrices that are calibrated."""
        return self._matrices

    def merge_matrix(self, matrix: Matrix, tasks: Sequence[Tensor]) -> Tensor:
        """Return the wrapped rule's merge of a matrix with calibrated singular values."""
        import torch

        from remerge.merging.singular import rounding, thin_svd

        merge = self._merged_by_tiles if self._by_tiles else super().merge_matrix
        left, values, right = thin_svd(merge(matrix, tasks))
        merged, counted = values[:, None] * right.T, torch.zeros_like(values)
        for task in tasks:
            response = left.T @ task.double()
            squares = response.square().sum(dim=1)
            # What is no more than rounding is no response.
            share = torch.where(squares > rounding(task) ** 2, (merged * response).sum(dim=1) / squares, 0.0)
            counted += share.clamp(min=self.alpha)
        return left * (len(tasks) * values / counted) @ right.T

    def _merged_by_tiles(self, matrix: Matrix, tasks: Sequence[Tensor]) -> Tensor:
        import torch

        from remerge.merging.streaming import TILE

        flat, size = [task.reshape(-1).cpu() for task in tasks], max(1, TILE // len(tasks))
        tiles = Matrix(tuple(tile for place in matrix.places for tile in place.split(size)), matrix.shape)
        merged = torch.cat([self(tile, [each[part] for each in flat]) for tile, part in tiles.parts()])
        return merged.view(matrix.shape).to(tasks[0].device)


def merge_rule(
    task_vectors: Sequence[Weights],
    around: Mapping[str, Any],
    alpha: float = 1.0,
    coefficient: float = 1.0,
    matrices: Which = "all",
    qkv: Qkv = "stored",
) -> MergeRule:
    """Return the method as a merge rule.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        around: The method that it wraps; see :func:`remerge.methods.plug_ins.wrapped_rule`.
        alpha: The least that a task counts as, above 0.
        coefficient: The wrapped method's merging coefficient.
        matrices: See :data:`remerge.merging.matrices.Which`.
        qkv: See :data:`remerge.merging.matrices.Qkv`.

    Raises:
        ParameterError: A parameter is out of range or none of its values.
    """
    from remerge.merging.streaming import for_each_tile, shape_of

    if not alpha > 0:
        raise ParameterError(f"alpha must be greater than 0, got {alpha!r}")
    rule = wrapped_rule(task_vectors, around)
    shapes = {key: shape_of(task_vectors[0], key) for key in task_vectors[0]}
    whole = rule.matrices(shapes)
    if not whole:
        # After a pass over all tiles, the rule merges every tile for good.
        for_each_tile(rule, task_vectors)
        rule.repeat()
    return Calibrated(rule, whole or matrices_in(shapes, matrices, qkv), alpha, coefficient, by_tiles=not whole)
