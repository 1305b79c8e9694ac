"""WUDI-Merging: the matrix that interferes least with the inputs that every task vector responds to (arXiv:2503.08099).

Minimises the sum over tasks of ``|(M - tau_t) tau_t^T|^2 / |tau_t|^2``, from the tasks' sum, in so few and small steps
that they regularise: the minimum itself is another model. As in the authors' code (nathanielyvo/WUDI-Merging), only the
weights of linear layers are merged, and every other tensor stays pre-trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from remerge.merging.matrices import MatrixRule, Others, Which
from remerge.methods.matrix_methods import MatrixMethod, merge_rule_of
from remerge.methods.parameters import parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from remerge.merging.rules import Matrix


@dataclass(frozen=True, kw_only=True)
class Wudi(MatrixMethod):
    """Least interference with the inputs that task vectors respond to (arXiv:2503.08099); it has no coefficient."""

    algorithm: Literal["wudi"]
    matrices: Which = parameter(
        "linear", description="Which tensors are merged as matrices. Authors: `linear`; FusionBench: `all`."
    )
    others: Others = parameter(
        "zero", description="What becomes of every other tensor. Authors: `zero`; FusionBench: `mean`."
    )
    steps: int = parameter(300, ge=0, description="Adam steps. Authors: 300; FusionBench: 400.")
    learning_rate: float = parameter(1e-5, gt=0, description="Adam's learning rate.")


class LeastInterference(MatrixRule):
    """Adam on the interference with every task, from the tasks' sum."""

    def __init__(self, steps: int, learning_rate: float, **shared: Any) -> None:
        super().__init__(**shared)
        self.steps = steps
        self.learning_rate = learning_rate

    def merge_matrix(self, matrix: Matrix, tasks: Sequence[Tensor]) -> Tensor:
        """Return the merged matrix."""
        import torch

        merged = torch.zeros_like(tasks[0])
        grams, target = merged.new_zeros(matrix.shape[1], matrix.shape[1]), torch.zeros_like(merged)
        for task in tasks:
            merged += task
            if not task.any():
                continue
            gram = task.T @ task / task.square().sum()
            grams += gram
            target += task @ gram
        adam = torch.optim.Adam([merged], lr=self.learning_rate)
        for _ in range(self.steps):
            # The gradient of the interference, whose cost does not depend on the number of tasks.
            merged.grad = 2 * (merged @ grams - target)
            adam.step()
        merged.grad = None
        return merged


merge_rule = merge_rule_of(LeastInterference, Wudi)
