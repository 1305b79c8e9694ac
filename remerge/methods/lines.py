"""LiNeS: deeper blocks of the merged task vector scaled up, around another method (arXiv:2410.17146, section 4).

As the authors' code does it (wang-kee/LiNeS, ``src/eval/eval.py``): block ``l`` of ``L`` of the merged task vector is
multiplied by ``alpha + beta * l / (L - 1)``, and everything outside of blocks by ``alpha``. The authors choose ``beta``
on validation images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from remerge.merging.rules import Around, MergeRule, Place
from remerge.merging.stacks import block_in_stack
from remerge.methods.parameters import Scaling, parameter
from remerge.methods.plug_ins import PlugIn, wrapped_rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import Tensor

    from remerge.checkpoints.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Lines(PlugIn):
    """Deeper blocks of another method's merged task vector scaled up (arXiv:2410.17146)."""

    algorithm: Literal["lines"]
    alpha: float | None = parameter(
        None,
        ge=0,
        description="The first block's coefficient. Default, as published: the L1 norm of the task vectors' sum, "
        "divided by that of the merged task vector and by the number of tasks.",
    )
    beta: float = parameter(
        0.5,
        ge=0,
        description="What the last block's coefficient is larger by. Published: chosen from 0.1 to 1.0 on validation "
        "images.",
    )
    scaling: Scaling = parameter(1.0, description="The merging coefficient lambda, which multiplies all blocks.")


class ByDepth(Around):
    """The wrapped rule's merge, every tensor times a factor."""

    def __init__(self, rule: MergeRule, factors: Mapping[str, float]) -> None:
        super().__init__(rule)
        self.factors = factors

    def after(self, place: Place, merged: Tensor, entries: Sequence[Tensor]) -> Tensor:
        """Return merged entries times their tensor's factor."""
        return merged.mul_(self.factors[place.key])


def merge_rule(
    task_vectors: Sequence[Weights], around: Mapping[str, Any], alpha: float | None = None, beta: float = 0.5
) -> MergeRule:
    """Return the method as a merge rule.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        around: The method that it wraps; see :func:`remerge.methods.plug_ins.wrapped_rule`.
        alpha: The first block's coefficient; None for the one that the authors derive from norms.
        beta: What the last block's coefficient is larger by.
    """
    rule = wrapped_rule(task_vectors, around)
    if alpha is None:
        alpha = _alpha(task_vectors, rule)
    return ByDepth(rule, {key: alpha + beta * depth for key, depth in depths(task_vectors[0]).items()})


def _alpha(task_vectors: Sequence[Weights], rule: MergeRule) -> float:
    """The L1 norm of the task vectors' sum, divided by that of the merged task vector and by the number of tasks."""
    from remerge.methods.task_arithmetic import Sum

    summed, merged = _l1_norm(task_vectors, Sum()), _l1_norm(task_vectors, rule)
    # A merged task vector of zeros stays one, whatever its coefficients.
    return summed / merged / len(task_vectors) if merged else 0.0


def _l1_norm(task_vectors: Sequence[Weights], rule: MergeRule) -> float:
    """The L1 norm of what a rule merges, in float64."""
    import torch

    from remerge.merging.streaming import merge_tiles

    norms: dict[Place, float] = {}

    def measure(place: Place, merged: Tensor) -> None:
        norms[place] = merged.abs().sum(dtype=torch.float64).item()

    merge_tiles(rule, task_vectors, measure)
    return math.fsum(norms.values())


def depths(keys: Iterable[str]) -> dict[str, float]:
    """Return every tensor's depth: 0 for a stack's first block, 1 for its last, and 0 outside of blocks."""
    blocks = {key: block for key in keys if (block := block_in_stack(key))}
    last: dict[str, int] = {}
    for stack, number in blocks.values():
        last[stack] = max(last.get(stack, 0), number)
    return {key: _depth(blocks.get(key), last) for key in keys}


def _depth(block: tuple[str, int] | None, last: Mapping[str, int]) -> float:
    return block[1] / last[block[0]] if block and last[block[0]] else 0.0
