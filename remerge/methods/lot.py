"""LOT Merging: task vectors, layer by layer, whose outputs drift least from the experts' (arXiv:2505.23859, section 4).

Every tensor minimises ``sum_t |f(X_t, T) - f(X_t, tau_t)|^2`` over its merged task vector ``T``, where ``X_t`` are its
inputs in expert ``t``::

    weight of a linear layer          T^T = (sum_t X_t^T X_t)^+ sum_t X_t^T X_t tau_t^T
    scale of a layer normalisation    T = sum_t (sum X_t^2) tau_t / sum_t (sum X_t^2)
    bias or shift                     T = mean of tau_t

It is RegMean without shrunk inner products, and with a pseudo-inverse: in directions that no image reaches, weights
stay pre-trained. Embeddings, the patch embedding and the output projection ``proj`` are averaged. The authors' code was
not at hand; the formulas are the minima of the paper's objectives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.methods.parameters import Scaling, StatisticsMethod, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from remerge.checkpoints.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Lot(StatisticsMethod):
    """Least drift of every layer's outputs from the experts' (arXiv:2505.23859)."""

    algorithm: Literal["lot"]
    images: int = parameter(64, ge=1, description="Unlabeled validation images per task; published: 16 to 64.")
    scaling: Scaling = parameter(1.0, description="The merging coefficient lambda.")


def statistics(encoder: nn.Module, head: Tensor, images: Tensor) -> dict[str, Tensor]:
    """Return the inner products of the inputs of an expert's linear layers and scales; the head does not matter.

    See :func:`remerge.merging.inner_products.inner_products`.
    """
    from remerge.merging.inner_products import inner_products

    return inner_products(encoder, images, norms=True)


def merge(task_vectors: Sequence[Weights], products: Sequence[Weights]) -> dict[str, Tensor]:
    """Return the merged task vector of least drift.

    Args:
        task_vectors: One per task.
        products: What :func:`statistics` returned for each.
    """
    from remerge.merging.least_squares import merge_layers, shortest

    return merge_layers(task_vectors, products, shortest)
