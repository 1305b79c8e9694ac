"""SLERP: spherical linear interpolation between two task vectors, tensor by tensor.

As mergekit does it (arXiv:2403.13257), on task vectors: full weights of two models fine-tuned from one are so nearly
parallel that SLERP of them is their mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.errors import ParameterError
from remerge.merging.rules import MergeRule
from remerge.methods.parameters import Method, Scaling, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remerge.checkpoints.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Slerp(Method):
    """Spherical linear interpolation between two task vectors (arXiv:2403.13257); only for suites of two tasks."""

    most_tasks = 2

    algorithm: Literal["slerp"]
    t: float = parameter(0.5, ge=0, le=1, description="How far to go from the first task's vector to the second's.")
    scaling: Scaling = parameter(1.0, description="The merging coefficient lambda.")


def merge_rule(task_vectors: Sequence[Weights], t: float = 0.5) -> MergeRule:
    """Return the method as a merge rule; of one task vector, that task vector.

    Args:
        task_vectors: One or two, with the same keys and shapes.
        t: How far to go from the first to the second, in [0, 1].

    Raises:
        ParameterError: There are more than two.
    """
    from remerge.merging.geometry import by_geometry, slerp

    if len(task_vectors) > 2:
        raise ParameterError(
            f"slerp: merges two models, got {len(task_vectors)}; of more, karcher and multislerp are the means"
        )
    return by_geometry(task_vectors, lambda lengths, cosines: slerp(lengths, cosines, t))
