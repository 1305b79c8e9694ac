"""Karcher mean: the direction with the least squared angles to the task vectors', tensor by tensor.

As mergekit does it (arXiv:2403.13257, ``karcher``), but on task vectors and not on full weights, and with inner
products in float64: start from the mean direction, go along the mean tangent, and scale by the mean length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.merging.rules import MergeRule
from remerge.methods.parameters import Method, Scaling, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remerge.checkpoints.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Karcher(Method):
    """The direction with the least squared angles to the task vectors', as long as they are on average."""

    algorithm: Literal["karcher"]
    iterations: int = parameter(10, ge=1, description="The most steps towards the mean; mergekit: 10.")
    tolerance: float = parameter(1e-5, gt=0, description="Length of a step at which to stop; mergekit: 1e-5.")
    scaling: Scaling = parameter(1.0, description="The merging coefficient lambda.")


def merge_rule(task_vectors: Sequence[Weights], iterations: int = 10, tolerance: float = 1e-5) -> MergeRule:
    """Return the method as a merge rule.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        iterations: The most steps.
        tolerance: Length of a step at which to stop, in radians.
    """
    from remerge.merging.geometry import by_geometry, karcher

    return by_geometry(task_vectors, lambda lengths, cosines: karcher(lengths, cosines, iterations, tolerance))
