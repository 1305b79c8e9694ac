"""DC-Merge: task vectors in a space that covers all, where they are trimmed and elect signs (arXiv:2603.06242).

As the authors' code does it for full fine-tuning (Tobeginwith/DC-Merge): the bases are TSV-Merge's, singular values are
not smoothed, every tensor with two dimensions is a matrix, and all other tensors are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from remerge.merging.matrices import MatrixRule
from remerge.methods.matrix_methods import MatrixMethod, merge_rule_of
from remerge.methods.parameters import Scaling, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from remerge.merging.rules import Matrix


@dataclass(frozen=True, kw_only=True)
class DcMerge(MatrixMethod):
    """Task vectors trimmed and merged by elected signs in a space that covers all of them (arXiv:2603.06242)."""

    algorithm: Literal["dc_merge"]
    keep: float = parameter(
        0.001, gt=0, le=1, description="Share of each task's entries in the cover space that survive trimming."
    )
    scaling: Scaling = parameter(1.0, description="The merging coefficient alpha.")

    @property
    def svd_layout(self) -> str:
        """As the parameter says."""
        return self.qkv


class CoverSpace(MatrixRule):
    """Truncated matrices in the space of all tasks' singular vectors, merged there by TIES with disjoint mean."""

    shares_rank = True

    def __init__(self, keep: float, **shared: Any) -> None:
        super().__init__(**shared)
        self.keep = keep

    def merge_matrix(self, matrix: Matrix, tasks: Sequence[Tensor]) -> Tensor:
        """Return the merged matrix."""
        import torch

        from remerge.merging.decompositions import thin_svds
        from remerge.merging.singular import polar, side_by_side

        rank = min(matrix.shape) // len(tasks)
        triplets = list(thin_svds(tasks, rank))
        stacked, _, stacked_right = side_by_side(triplets)
        left, right = polar(stacked), polar(stacked_right)
        trimmed = torch.stack([self._trimmed((left.T @ u * s) @ (v.T @ right)) for u, s, v in triplets])
        agreeing = trimmed.sign() == trimmed.sum(dim=0).sign()
        merged = (trimmed * agreeing).sum(dim=0) / agreeing.sum(dim=0).clamp(min=1)
        own = torch.block_diag(*(torch.ones_like(s).outer(torch.ones_like(s)) for _, s, _ in triplets))
        return left @ (merged * own) @ right.T

    def _trimmed(self, entries: Tensor) -> Tensor:
        """A task's matrix in the cover space with its largest entries alone."""
        magnitudes = entries.abs()
        smallest = magnitudes.flatten().topk(max(1, int(self.keep * entries.numel()))).values[-1]
        return entries * (magnitudes >= smallest)


merge_rule = merge_rule_of(CoverSpace, DcMerge)
