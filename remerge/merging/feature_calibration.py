"""Blocks calibrated so that their layers' outputs come closest to the experts' (FeatCal, arXiv:2605.13030)."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from remerge.checkpoints.weights import Weights
from remerge.merging.blocks import AT_ONCE
from remerge.merging.layer_inputs import seen
from remerge.merging.least_squares import unique

# Of the authors' code: the weight of positions other than the class's in the last block, and the smallest divisor.
ELSEWHERE = 0.01
SMALLEST = 1e-8


@dataclass(frozen=True)
class Rows:
    """Rows of a weight that see positions with the same weights; all of them by default."""

    name: str
    begin: int = 0
    end: int | None = None

    @property
    def bias(self) -> str:
        """The name of the bias, or of the shift, that belongs to the weight."""
        return f"{self.name.removesuffix('weight')}bias"

    def of(self, tensor: Tensor) -> Tensor:
        """Return these rows of a tensor."""
        return tensor[self.begin : self.end]


class Means:
    """Weighted means over the positions of some batches."""

    def __init__(self) -> None:
        self.weight = 0.0
        self.sums: list[Tensor] = []

    def add(self, weights: Tensor, *sums: Tensor) -> None:
        """Add a batch: its positions' weights, and weighted sums over them."""
        self.weight += float(weights.sum())
        self.sums = [old + new for old, new in zip(self.sums, sums, strict=True)] if self.sums else list(sums)

    def all(self) -> list[Tensor]:
        """Return the means, float64 on the CPU."""
        return [each.double().cpu() / self.weight for each in self.sums]


Statistics = Mapping[Rows, Sequence[Tensor]]
"""Means over positions. Of a linear layer with inputs x, and targets y: x, y, ``x^T x`` and ``x^T y``; of a layer
normalisation with normalised inputs x: x and its squares."""


def _parts(name: str, width: int, is_last: bool) -> Iterator[tuple[Rows, bool]]:
    """The parts of a linear layer, and whether the class's position weighs most.

    In the last block only the class's position is read on, by all but attention's keys and values.
    """
    if is_last and name.endswith("in_proj_weight"):
        yield Rows(name, 0, width), True
        yield Rows(name, width), False
    else:
        yield Rows(name), is_last


@torch.no_grad()
def statistics(
    block: nn.Module, expert: nn.Module, states: tuple[Tensor, Tensor], alpha: float, is_last: bool
) -> Statistics:
    """Return what one task's images say of a block's layers.

    Args:
        block: With the merged weights.
        expert: With the expert's.
        states: What each of them is given, ``[n, positions, width]``.
        alpha: Share of the expert's inputs in the targets; the rest are those of ``block``.
        is_last: Whether it is the last block.
    """
    means: dict[Rows, Means] = {}
    given: dict[str, Tensor] = {}
    norms: dict[str, Tensor] = {}
    of_expert: dict[str, Tensor] = {}
    for ours, theirs in zip(*(each.split(AT_ONCE) for each in states), strict=True):
        with seen(block, given.__setitem__, norms.__setitem__), seen(expert, of_expert.__setitem__):
            block(ours)
            expert(theirs)
        for name, inputs in given.items():
            flat, target = inputs.flatten(0, 1), torch.lerp(inputs, of_expert[name], alpha).flatten(0, 1)
            for rows, is_focused in _parts(name, inputs.shape[-1], is_last):
                weights = _weights(inputs, is_focused)
                weighted, sums = flat * weights, means.setdefault(rows, Means())
                sums.add(
                    weights, weighted.sum(dim=0), (target * weights).sum(dim=0), flat.T @ weighted, weighted.T @ target
                )
        for name, inputs in norms.items():
            weights, flat = _weights(inputs, is_last), inputs.flatten(0, 1)
            sums = means.setdefault(Rows(name), Means())
            sums.add(weights, (flat * weights).sum(dim=0), (flat.square() * weights).sum(dim=0))
    return {rows: each.all() for rows, each in means.items()}


def _weights(inputs: Tensor, is_focused: bool) -> Tensor:
    """The weights of positions, ``[n * positions, 1]``."""
    weights = torch.ones(*inputs.shape[:2], 1, dtype=inputs.dtype, device=inputs.device)
    if is_focused:
        weights[:, 1:] = ELSEWHERE
    return weights.flatten(0, 1)


def calibrated(
    anchor: Weights, experts: Sequence[Weights], found: Sequence[Statistics], ridge: float
) -> dict[str, Tensor]:
    """Return the weights of a block's linear layers and layer normalisations, float64.

    Args:
        anchor: What they are drawn to.
        experts: Every task's weights.
        found: What :func:`statistics` returned for each.
        ridge: How strongly they are drawn to the anchor.
    """
    made = {key: tensor.double().clone() for key, tensor in anchor.items()}
    for rows in found[0]:
        solve = _linear if made[rows.name].ndim == 2 else _norm
        pairs = [(rows.of(each[rows.name]).double(), rows.of(each[rows.bias]).double()) for each in experts]
        start = rows.of(made[rows.name]), rows.of(made[rows.bias])
        weight, bias = solve(rows.name, pairs, [each[rows] for each in found], start, ridge)
        start[0].copy_(weight)
        start[1].copy_(bias)
    return made


Pair = tuple[Tensor, Tensor]
"""A weight and its bias, or a scale and its shift, float64."""


def _linear(name: str, experts: Sequence[Pair], means: Sequence[Sequence[Tensor]], anchor: Pair, ridge: float) -> Pair:
    left = (ridge + SMALLEST) * torch.eye(anchor[0].shape[1], dtype=torch.float64)
    right, scales = ridge * anchor[0].T, []
    for (weight, _), (_, _, gram, cross) in zip(experts, means, strict=True):
        scales.append(float(1 / gram.norm().clamp(min=SMALLEST)))
        left += scales[-1] * gram
        right = right + scales[-1] * cross @ weight.T
    solved = unique(name, left, right).T
    shift = ridge * anchor[1]
    for (weight, bias), (given, target, _, _), scale in zip(experts, means, scales, strict=True):
        shift = shift + scale * (bias + weight @ target - solved @ given)
    return solved, shift / (sum(scales) + ridge)


def _norm(name: str, experts: Sequence[Pair], means: Sequence[Sequence[Tensor]], anchor: Pair, ridge: float) -> Pair:
    """A system of two equations per channel."""
    first, second = ridge * anchor[0], ridge * anchor[1]
    squares, between = torch.full_like(first, ridge), torch.zeros_like(first)
    for (scale, shift), (mean, square) in zip(experts, means, strict=True):
        first, second = first + square * scale + mean * shift, second + mean * scale + shift
        squares, between = squares + square, between + mean
    count = len(experts) + ridge
    determinant = (squares * count - between.square()).clamp(min=SMALLEST)
    return (count * first - between * second) / determinant, (squares * second - between * first) / determinant


def with_weights(block: nn.Module, weights: Weights) -> nn.Module:
    """Return a copy of a block with other weights."""
    other = copy.deepcopy(block)
    other.load_state_dict(dict(weights))
    return other
