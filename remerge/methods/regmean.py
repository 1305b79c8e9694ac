"""RegMean: linear layers merged so that their outputs come closest to the experts' (arXiv:2212.09849, eq. 2).

As the authors' code does it (bloomberg/dataless-model-merging, ``avg_merger.py``): the weights of linear layers by
least squares, off-diagonal inner products shrunk; everything else, biases included, averaged, as is the output
projection ``proj``, which is no linear layer to open_clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.errors import ParameterError
from remerge.methods.parameters import StatisticsMethod, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from remerge.checkpoints.weights import Weights

# What must be left of an input's square when the other inputs have explained it; below lies float32's rounding.
UNEXPLAINED = 1e-5


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
    import torch

    merged = {}
    for key in task_vectors[0]:
        vectors = [vector[key] for vector in task_vectors]
        if key not in products[0]:
            merged[key] = torch.stack(vectors).mean(dim=0)
            continue
        grams = [_shrunk(gram[key].double(), off_diagonal) for gram in products]
        # As W = W0 + tau for every task, and W0 is shared, the solution is W0 plus that of the task vectors.
        right = torch.stack([gram @ vector.double().T for gram, vector in zip(grams, vectors, strict=True)]).sum(dim=0)
        merged[key] = _solved(key, torch.stack(grams).sum(dim=0), right).T.to(vectors[0].dtype).contiguous()
    return merged


def _shrunk(gram: Tensor, off_diagonal: float) -> Tensor:
    import torch

    return off_diagonal * gram + (1 - off_diagonal) * torch.diag(gram.diagonal())


def _solved(key: str, left: Tensor, right: Tensor) -> Tensor:
    import torch

    # An input that is always zero decides nothing: its weights stay the pre-trained ones.
    left.diagonal()[left.diagonal() == 0] = 1.0
    factor, failed = torch.linalg.cholesky_ex(left)
    if failed or (factor.diagonal().square() < UNEXPLAINED * left.diagonal()).any():
        raise ParameterError(
            f"RegMean: the inputs of {key} depend on each other, and their least squares have no single solution; "
            "set `off_diagonal` below 1 or take more `images`"
        )
    return torch.cholesky_solve(right, factor)
