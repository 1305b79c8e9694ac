"""ESM: task vectors cut to where they move a layer's outputs most, made orthogonal to each other (arXiv:2602.20208).

As the authors' code does it, with which the numbers of arXiv:2606.19164 were measured (kiddo127/ESM, ``ESM-ViT``). For
the stacked projections of attention to query, key and value, and for both layers of MLPs, with ``X_t`` a layer's inputs
in expert ``t`` and ``k`` the number of outputs divided by that of tasks::

    E_t, s_t = k principal directions of X_t tau_t^T, and mean squares along them
    w_t      = (s_t / mean s_t)^0.15, divided by its mean
    U = [E_t w_t],  V = [w_t E_t^T tau_t |tau_t|^2] / (mean |tau|)^2, columns of V times their relative norms squared
    M = 2 even(U) even(V), where even(A) has the singular vectors of A, and the mean of its singular values

Other matrices are merged by TSV-Merge, and all other tensors averaged; a matrix with fewer rows or columns than there
are tasks has no rank to share, and stays pre-trained. Finally each layer's matrix is multiplied by the square of its
norm relative to the mean of its kind. The weights, the means of singular values and the factor 2 are in the code and
not in the paper of 2026; the coefficient alpha absorbs the factor.

Where inputs leave directions open, the authors' code fills ``E_t`` with columns of the identity, and takes arbitrary
singular vectors of zero; here nothing is merged along these. The authors draw images from validation images, and choose
alpha on all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.methods.parameters import Scaling, StatisticsMethod, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from remerge.checkpoints.weights import Weights

ESSENTIAL = ("attn.in_proj_weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
KINDS = (*ESSENTIAL, "attn.out_proj.weight")


@dataclass(frozen=True, kw_only=True)
class Esm(StatisticsMethod):
    """Task vectors cut to their essential subspaces, made orthogonal (arXiv:2602.20208)."""

    algorithm: Literal["esm"]
    images: int = parameter(32, ge=1, description="Unlabeled validation images per task.")
    scaling: Scaling = parameter(
        1.0, description="The merging coefficient alpha. Published: chosen on validation images."
    )


def statistics(encoder: nn.Module, head: Tensor, images: Tensor) -> dict[str, Tensor]:
    """Return the inner products of the inputs of the layers that have essential subspaces; the head does not matter.

    See :func:`remerge.merging.inner_products.inner_products`. They are float64: directions of small movement count.
    """
    import torch

    from remerge.merging.inner_products import inner_products

    products = inner_products(encoder, images, dtype=torch.float64)
    return {key: gram for key, gram in products.items() if key.endswith(ESSENTIAL)}


def merge(task_vectors: Sequence[Weights], products: Sequence[Weights]) -> dict[str, Tensor]:
    """Return the merged task vector.

    Args:
        task_vectors: One per task.
        products: What :func:`statistics` returned for each.
    """
    import torch

    from remerge.merging.essential import even_layers, merge_essential
    from remerge.merging.streaming import merged_by
    from remerge.methods.tsv_m import merge_rule

    merged = {}
    for key in products[0]:
        vectors = [vector[key] for vector in task_vectors]
        grams = [product[key] for product in products]
        merged[key] = merge_essential(vectors, grams).to(vectors[0].dtype)
    for key in task_vectors[0]:
        tensor = task_vectors[0][key]
        if tensor.ndim == 2 and min(tensor.shape) < len(task_vectors):
            merged[key] = torch.zeros_like(tensor)
    rest = [{key: vector[key] for key in vector if key not in merged} for vector in task_vectors]
    merged |= merged_by(merge_rule(rest), rest)
    for kind in KINDS:
        keys = [key for key in merged if key.endswith(kind)]
        if keys and any(merged[key].any() for key in keys):
            merged |= dict(zip(keys, even_layers([merged[key] for key in keys]), strict=True))
    return {key: merged[key] for key in task_vectors[0]}
