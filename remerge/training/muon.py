"""Muon in float32.

PyTorch's Muon casts to bfloat16. On the many processors without bfloat16 instructions, a step takes six times as long.
Its coarse rounding also differs between processors, so that training runs diverge more than in float32.
"""

import math
from typing import Any

import torch
from torch import Tensor


class Muon(torch.optim.Muon):
    """PyTorch's Muon with its Newton-Schulz iteration in the dtype of the parameters; arguments are the same.

    Learning rates are multiplied by ``sqrt(max(1, rows / columns))``, as in the first publication of Muon.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take one step by the gradients that the parameters hold; ``closure`` is not supported."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                momentum = state.setdefault("momentum_buffer", torch.zeros_like(parameter))
                momentum.lerp_(parameter.grad, 1 - group["momentum"])
                update = parameter.grad.lerp(momentum, group["momentum"]) if group["nesterov"] else momentum
                rows, columns = parameter.shape
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(
                    orthogonalised(update, group["ns_coefficients"], group["ns_steps"], group["eps"]),
                    alpha=-group["lr"] * math.sqrt(max(1, rows / columns)),
                )


def orthogonalised(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """Return a matrix with the singular vectors of ``matrix``, ``[rows, columns]``, and singular values near 1.

    Args:
        matrix: The matrix to orthogonalise; it is not modified.
        coefficients: Coefficients of the odd fifth-degree polynomial that each step applies to the singular values.
        steps: Number of Newton-Schulz steps.
        eps: Smallest norm to divide by.
    """
    a, b, c = coefficients
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide / wide.norm().clamp(min=eps)
    for _ in range(steps):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide.T if matrix.shape[0] > matrix.shape[1] else wide
