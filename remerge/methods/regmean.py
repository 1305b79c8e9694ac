"""RegMean: linear layers merged so that their outputs come closest to the experts' (arXiv:2212.09849, eq. 2).

As the authors' code does it (bloomberg/dataless-model-merging, ``avg_merger.py``): the weights of linear layers by
least squares, off-diagonal inner products shrunk; everything else, biases included, averaged, as is the output
projection ``proj``, which is no linear layer to open_clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.methods.parameters import StatisticsMethod, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from remerge.checkpoints.weights import Weights


@dataclass(frozen=True, kw_only=True)
class RegMean(StatisticsMethod):
    """Linear layers by least squares of their outputs (arXiv:2212.09849)."""

    algorithm: Literal["regmean"]
    off_diagonal: float = parameter(
        0.95,
        gt=0,
        le=1,
        description="Factor of inner products between different inputs. FusionBench's published numbers: 0.95.",
    )


def statistics(encoder: nn.Module, head: Tensor, images: Tensor) -> dict[str, Tensor]:
    """Return the inner products of the inputs of an expert's linear layers; the head does not matter.

    See :func:`remerge.merging.inner_products.inner_products`.
    """
    from remerge.merging.inner_products import inner_products

    return inner_products(encoder, images)


def merge(task_vectors: Sequence[Weights], products: Sequence[Weights], off_diagonal: float) -> dict[str, Tensor]:
    """Return the task vector of RegMean's weights: least squares for linear layers, the mean for everything else.

    Args:
        task_vectors: One per task.
        products: What :func:`statistics` returned for each.
        off_diagonal: Factor of the inner products between different inputs, in (0, 1]. The default, 0.95, is that of
            FusionBench's published numbers, 82.4 on ViT-B/32. Below 1 it makes every system well conditioned, so that
            none needs a ridge.

    Raises:
        ParameterError: With ``off_diagonal`` 1, a layer's inputs depend on each other linearly.
    """
    from remerge.merging.least_squares import merge_layers, unique

    return merge_layers(task_vectors, products, unique, off_diagonal)
