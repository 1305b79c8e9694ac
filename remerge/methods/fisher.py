"""Fisher merging: the experts' mean, every entry weighted by its Fisher information (arXiv:2111.09832, eq. 4).

As the authors' code does it (mmatena/model_merging, ``merging.py``): Fisher information raised to at least a floor,
and divided by the norm of the expert's whole Fisher. The authors' floor spares all models but a "target", whose weights
then stand wherever no model has information; of several tasks none is the target, and all are floored
(``favor_target_model=False``). They search merging coefficients by score; here, as in all published tables of several
tasks, all are equal.

FusionBench, whose numbers are compared with, follows MergeLM, which adds the floor instead of taking the maximum. The
RegMean authors' code adds 1e-10 and does not normalise by default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.methods.parameters import StatisticsMethod

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from remerge.checkpoints.weights import Weights

FLOOR = 1e-6
"""The authors' default."""


@dataclass(frozen=True, kw_only=True)
class Fisher(StatisticsMethod):
    """Every entry weighted by its Fisher information (arXiv:2111.09832)."""

    algorithm: Literal["fisher"]


def statistics(encoder: nn.Module, head: Tensor, images: Tensor) -> dict[str, Tensor]:
    """Return the diagonal of an expert's Fisher information; see :mod:`remerge.merging.fisher_information`."""
    from remerge.merging.fisher_information import fisher_information

    return fisher_information(encoder, head, images)


def merge(task_vectors: Sequence[Weights], information: Sequence[Weights]) -> dict[str, Tensor]:
    """Return the mean of the task vectors, every entry weighted by its normalised Fisher information.

    As the experts share the pre-trained weights, this is the task vector of the weighted mean of the experts. Where
    every entry is above :data:`FLOOR`, an expert's weights do not depend on the scale of its Fisher information.

    Args:
        task_vectors: One per task.
        information: What :func:`statistics` returned for each.
    """
    import torch

    norms = [_norm(diagonal) for diagonal in information]
    merged = {}
    for key in task_vectors[0]:
        floored = [diagonal[key].clamp(min=FLOOR) for diagonal in information]
        weights = torch.stack([value / norm for value, norm in zip(floored, norms, strict=True)])
        vectors = torch.stack([vector[key] for vector in task_vectors])
        merged[key] = (weights * vectors).sum(dim=0) / weights.sum(dim=0)
    return merged


def _norm(information: Weights) -> float:
    squares = sum(float(value.double().square().sum()) for value in information.values())
    # Without any information there is nothing to normalise, and the floor alone is the weight.
    return squares**0.5 or 1.0
