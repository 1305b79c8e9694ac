"""LiNeS: deeper blocks of the merged task vector scaled up, around another method (arXiv:2410.17146, section 4).

As the authors' code does it (wang-kee/LiNeS, ``src/eval/eval.py``): block ``l`` of ``L`` of the merged task vector is
multiplied by ``alpha + beta * l / (L - 1)``, and everything outside of blocks by ``alpha``. The authors choose ``beta``
on validation images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from remerge.merging.rules import Around, MergeRule, Place
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

    def __call__(self, place: Place, entries: Sequence[Tensor]) -> Tensor:
        """Return the wrapped rule's merge of a tile times the tensor's factor."""
        return self.rule(place, entries).mul_(self.factors[place.key])


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
    import torch

    from remerge.merging.reductions import sums

    def norms(place: Place, entries: Sequence[Tensor]) -> Tensor:
        total = entries[0].double()
        for other in entries[1:]:
            total = total + other
        return torch.stack([total.abs().sum(), rule(place, entries).abs().sum(dtype=torch.float64)])

    summed, merged = torch.stack([torch.zeros(2), *sums(task_vectors, norms, rule).values()]).sum(dim=0).tolist()
    # A merged task vector of zeros stays one, whatever its coefficients.
    return summed / merged / len(task_vectors) if merged else 0.0


def depths(keys: Iterable[str]) -> dict[str, float]:
    """Return every tensor's depth: 0 for a stack's first block, 1 for its last, and 0 outside of blocks.

    A block is named by the first number between two dots, as in ``transformer.resblocks.11.ln_1.weight``, and blocks
    belong to one stack if their names are the same up to that number.
    """
    blocks = {key: block for key in keys if (block := _block(key))}
    last: dict[str, int] = {}
    for stack, number in blocks.values():
        last[stack] = max(last.get(stack, 0), number)
    return {key: _depth(blocks.get(key), last) for key in keys}


def _depth(block: tuple[str, int] | None, last: Mapping[str, int]) -> float:
    return block[1] / last[block[0]] if block and last[block[0]] else 0.0


def _block(key: str) -> tuple[str, int] | None:
    """The stack and number of the block that a tensor belongs to."""
    parts = key.split(".")
    place = next((place for place, part in enumerate(parts[:-1]) if place and part.isdecimal()), None)
    return (".".join(parts[:place]), int(parts[place])) if place else None
