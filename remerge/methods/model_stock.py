"""Model Stock: the mean, drawn back to the pre-trained weights by how little task vectors agree (arXiv:2403.19522).

Layer by layer (here, tensor by tensor), with ``c`` the cosine of two task vectors and ``N`` models, the merged weights
lie at ``t = N c / (1 + (N - 1) c)`` of the way from the pre-trained weights to the mean (section 4.2). For more than
two models, the authors average over pairs (naver-ai/model-stock, issue 2). Task vectors of different tasks are nearly
orthogonal, so that on these benchmarks little is left of the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.merging.rules import MergeRule
from remerge.methods.parameters import Method, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remerge.checkpoints.weights import Weights


@dataclass(frozen=True, kw_only=True)
class ModelStock(Method):
    """The mean, drawn back to the pre-trained weights by how little task vectors agree (arXiv:2403.19522)."""

    algorithm: Literal["model_stock"]
    average: Literal["cosine", "angle"] = parameter(
        "cosine",
        description="What is averaged over pairs of more than two models: the `cosine`, as in mergekit, or the "
        "`angle`, as in FusionBench.",
    )


def merge_rule(task_vectors: Sequence[Weights], average: Literal["cosine", "angle"] = "cosine") -> MergeRule:
    """Return the method as a merge rule.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        average: See :func:`remerge.merging.geometry.stock`.
    """
    from remerge.merging.geometry import by_geometry, stock

    return by_geometry(task_vectors, lambda lengths, cosines: stock(lengths, cosines, average))
