"""LoRA: fine-tuning that changes some matrices by products of two thin ones (arXiv:2106.09685, section 4.1)."""

import math
from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class LowRankChange(nn.Module):
    """Adds ``alpha / rank * B @ A`` to a matrix; only A and B are trained.

    A is drawn as peft draws it, and B starts at zero, so that training begins at the pre-trained weights.
    """

    def __init__(self, rows: int, columns: int, rank: int, alpha: float) -> None:
        super().__init__()
        self.A = nn.Parameter(torch.empty(rank, columns))
        self.B = nn.Parameter(torch.zeros(rows, rank))
        self.factor = alpha / rank
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))

    def forward(self, matrix: Tensor) -> Tensor:
        """Return the changed matrix, ``[rows, columns]``."""
        return torch.addmm(matrix, self.B, self.A, alpha=self.factor)


def add_lora(model: nn.Module, targets: Collection[str], rank: int, alpha: float) -> list[nn.Parameter]:
    """Freeze a model but for low-rank changes of some of its matrices, and return what is left to train.

    Args:
        model: Modified in place.
        targets: Names of linear layers within their modules, such as ``q`` and ``v``.
        rank: Rank of every change.
        alpha: Changes are multiplied by ``alpha / rank``.
    """
    model.requires_grad_(False)
    trained: list[nn.Parameter] = []
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and name.rpartition(".")[2] in targets:
            change = LowRankChange(module.out_features, module.in_features, rank, alpha)
            parametrize.register_parametrization(module, "weight", change)
            trained += [change.A, change.B]
    return trained


def merge_lora(model: nn.Module) -> None:
    """Write the changes of :func:`add_lora` into the weights, after which the model has its former parameters again."""
    for module in list(model.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
