"""Results of low rank: shared weights plus, for each task, a product of two thin factors in every matrix."""

import torch
from torch import Tensor

from remerge.merging.merged import Rebuilt

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
        ``[out, k]`` and ``[k, in]``, in the matrix's dtype.
    """
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    return (left[:, :rank] * values[:rank]).contiguous(), right[:rank].contiguous()
