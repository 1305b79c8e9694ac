"""Multi-SLERP: the mean direction of the task vectors, as long as they are on average, tensor by tensor.

As mergekit does it (arXiv:2403.13257, ``multislerp`` with a base model and equal weights), which refuses tensors that
no task moved; here they stay.
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
class MultiSlerp(Method):
    """The mean direction of the task vectors, as long as they are on average (arXiv:2403.13257)."""

    algorithm: Literal["multislerp"]
    scaling: Scaling = parameter(1.0, description="The merging coefficient lambda.")


def merge_rule(task_vectors: Sequence[Weights]) -> MergeRule:
    """Return the method as a merge rule."""
    from remerge.merging.geometry import by_geometry, multislerp

    return by_geometry(task_vectors, multislerp)
