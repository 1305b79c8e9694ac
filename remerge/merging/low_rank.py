"""Results of low rank: shared weights plus, for each task, a product of two thin factors in every matrix."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from remerge.merging.merged import Rebuilt
from remerge.merging.singular import thin_svd

LEFT, RIGHT = "left.", "right."


class LowRank(Rebuilt):
    """The shared weights plus the task's product of factors, matrix by matrix."""

    def weights_for(self, task: str) -> dict[str, Tensor]:
        """Return the weights for a task."""
        part, weights = self.part(task), dict(self._shared)
        for key, start in weights.items():
            if LEFT + key in part:
                added = part[LEFT + key] @ part[RIGHT + key]
                weights[key] = (start.to(added.dtype) + added).to(start.dtype)
        return weights


def part_weights(factors: dict[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """Return the content of a task's part: by key, the left factor ``[out, k]`` and the right one ``[k, in]``."""
    left, right = ({name + key: pair[side] for key, pair in factors.items()} for side, name in enumerate((LEFT, RIGHT)))
    return left | right


def truncated(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the factors of the best approximation of a rank, the singular values in the left one.

    Args:
        matrix: ``[out, in]``.
        rank: k, from 1 to the smaller side.

    Returns:
        ``[out, k]`` and ``[k, in]``, in the matrix's dtype, on the CPU.
    """
    return in_factors(thin_svd(matrix, rank), rank, matrix.dtype)


def in_factors(svd: tuple[Tensor, Tensor, Tensor], rank: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return what :func:`truncated` does, given left vectors, at most ``rank`` singular values, and right vectors.

    Where a matrix has a lower rank, the factors have zeros.
    """
    left, values, right = svd
    missing = rank - len(values)
    factors = pad(left * values, (0, missing)), pad(right.T, (0, 0, 0, missing))
    return factors[0].to("cpu", dtype).contiguous(), factors[1].to("cpu", dtype).contiguous()
