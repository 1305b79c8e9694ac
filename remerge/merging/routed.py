"""Routed results: in every linear layer each token takes the low-rank expert that it is closest to (SMILE)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from remerge.checkpoints.weights import Weights
from remerge.merging.decompositions import thin_svds
from remerge.merging.low_rank import LEFT, RIGHT, in_factors
from remerge.merging.matrices import matrices_in
from remerge.merging.merged import Plain
from remerge.merging.multiply_adds import GATE
from remerge.merging.rules import Matrix
from remerge.merging.streaming import TasksOfMatrix

BIAS = "bias."
PROJECTIONS = ("query", "key", "value")
"""The linear layers that open_clip stores as one matrix, in its order; each is routed by itself."""


class Routed(Plain):
    """The shared encoder with the experts of all tasks in its linear layers; tokens choose, and no task is named."""

    def __init__(self, path: str | Path) -> None:
        """Load the encoder and put the experts into its linear layers; see :class:`Plain` for errors."""
        super().__init__(path)
        parts = [self.part(task) for task in self.parts]
        for name, module in list(self._encoder.named_modules()):
            if isinstance(module, nn.MultiheadAttention):
                self._encoder.set_submodule(name, RoutedAttention(module, parts, name))
            elif isinstance(module, nn.Linear) and not name.endswith(".out_proj"):
                self._encoder.set_submodule(name, RoutedLinear(module.weight, module.bias, parts, name))
        self._encoder.eval()


class LowRankLinear(nn.Module):
    """A linear layer in factors: ``[out, k]``, ``[k, in]``, and bias, ``[out]``."""

    def __init__(self, left: Tensor, right: Tensor, bias: Tensor) -> None:
        """Take over the factors and the bias."""
        super().__init__()
        self.left, self.right, self.bias = (nn.Parameter(each, requires_grad=False) for each in (left, right, bias))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the layer's output for ``[n, in]``, as ``[n, out]``."""
        return functional.linear(functional.linear(inputs, self.right), self.left, self.bias)


class RoutedLinear(nn.Module):
    """A linear layer to which every token adds the expert whose gate its input is longest in."""

    def __init__(self, weight: Tensor, bias: Tensor, parts: Sequence[Weights], name: str) -> None:
        """Take a layer's weight, ``[out, in]``, and bias, ``[out]``, and its experts from the parts."""
        super().__init__()
        self.weight, self.bias = (nn.Parameter(tensor.detach(), requires_grad=False) for tensor in (weight, bias))
        gates = torch.stack([part[GATE + name] for part in parts])
        self.tasks, self.gate_rank = gates.shape[:2]
        self.register_buffer("gates", gates.flatten(0, 1))
        experts = ((part[LEFT + name], part[RIGHT + name], part[BIAS + name]) for part in parts)
        self.experts = nn.ModuleList(LowRankLinear(*expert) for expert in experts)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the layer's output for ``[..., in]``, as ``[..., out]``."""
        tokens = inputs.reshape(-1, inputs.shape[-1])
        outputs = functional.linear(tokens, self.weight, self.bias)
        lengths = (
            functional.linear(tokens, self.get_buffer("gates")).unflatten(1, (self.tasks, self.gate_rank)).norm(dim=2)
        )
        chosen = lengths.argmax(dim=1)
        for task, expert in enumerate(self.experts):
            rows = (chosen == task).nonzero()[:, 0]
            outputs[rows] += expert(tokens[rows])
        return outputs.view(*inputs.shape[:-1], -1)


class RoutedAttention(nn.Module):
    """Self-attention, batch first and without a mask, of which every projection is routed."""

    def __init__(self, attention: nn.MultiheadAttention, parts: Sequence[Weights], name: str) -> None:
        """Take over the weights of an attention, and its experts from the parts."""
        super().__init__()
        self.heads = attention.num_heads
        self.projections = nn.ModuleList(
            RoutedLinear(weight, bias, parts, f"{name}.{projection}")
            for weight, bias, projection in zip(
                attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3), PROJECTIONS, strict=True
            )
        )
        self.out = RoutedLinear(attention.out_proj.weight, attention.out_proj.bias, parts, f"{name}.out_proj")

    def forward(self, tokens: Tensor, *others: Tensor, **options: object) -> tuple[Tensor, None]:
        """Return the attention's output for ``[n, tokens, d]``, as :class:`torch.nn.MultiheadAttention` does."""
        split = [layer(tokens).unflatten(2, (self.heads, -1)).transpose(1, 2) for layer in self.projections]
        attended = functional.scaled_dot_product_attention(*split)
        return self.out(attended.transpose(1, 2).flatten(2)), None


def expert_weights(vector: Weights, rank: int, gate_rank: int, device: str = "cpu") -> dict[str, Tensor]:
    """Return the content of a task's part: of every linear layer the factors, the gate and the bias's movement.

    Args:
        vector: The task vector.
        rank: Of the factors.
        gate_rank: How many of the first right singular vectors make the gate.
        device: Where to decompose.
    """
    part: dict[str, Tensor] = {}
    for name, matrix, bias in _layers(vector):
        kept = min(rank, *matrix.shape)
        (svd,) = thin_svds(TasksOfMatrix([vector], matrix, device), kept)
        left, right = in_factors(svd, kept, bias.dtype)
        gate = right[:gate_rank].clone()
        part |= {LEFT + name: left, RIGHT + name: right, GATE + name: gate, BIAS + name: bias.clone()}
    return part


def _layers(vector: Weights) -> Iterator[tuple[str, Matrix, Tensor]]:
    """The name, matrix and bias of every linear layer."""
    for key in vector:
        if key.endswith(".in_proj_weight"):
            layer = key.removesuffix(".in_proj_weight")
            names, biases = [f"{layer}.{name}" for name in PROJECTIONS], vector[f"{layer}.in_proj_bias"].chunk(3)
        elif key.endswith(".weight") and vector[key].ndim == 2:
            layer = key.removesuffix(".weight")
            names, biases = [layer], (vector[f"{layer}.bias"],)
        else:
            continue
        yield from zip(names, matrices_in({key: vector[key].shape}, "all", "split"), biases, strict=True)
