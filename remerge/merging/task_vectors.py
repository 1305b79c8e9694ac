"""Task vectors: computing them, and adding one to the pre-trained weights."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from remerge.checkpoints.weights import Weights, check_compatible, computing_dtype
from remerge.errors import MismatchError, ParameterError


@torch.no_grad()
def task_vector(pretrained: Weights, finetuned: Weights) -> dict[str, Tensor]:
    """Subtract the pre-trained from the fine-tuned weights (Task Arithmetic, section 2).

    Integer and boolean tensors are skipped: they are counters and indices, not weights.

    Args:
        pretrained: The common starting point.
        finetuned: Weights with the same keys, shapes and dtypes.

    Returns:
        The floating-point tensors' differences, in float32 (float64 for float64 weights).

    Raises:
        MismatchError: Keys, shapes or dtypes differ.
    """
    check_compatible(pretrained, [finetuned])
    vector = {}
    for key in pretrained:
        start = pretrained[key]
        if start.is_floating_point():
            dtype = computing_dtype(start.dtype)
            vector[key] = finetuned[key].to(dtype) - start.to(dtype)
    return vector


@torch.no_grad()
def apply_task_vector(pretrained: Weights, vector: Weights, scaling: float) -> dict[str, Tensor]:
    """Return ``pretrained + scaling * vector``, the form of every merged model.

    The sum is computed in the task vector's dtype and rounded once to that of the pre-trained tensor. Tensors that
    are not in the vector are copied; with ``scaling`` 0 all tensors are, bit for bit.

    Args:
        pretrained: Weights of any floating dtype; integer tensors are copied.
        vector: A task vector or merged task vector.
        scaling: The merging coefficient lambda.

    Raises:
        MismatchError: ``vector`` has a key that is not in ``pretrained``, or has a different shape there.
        ParameterError: ``scaling`` is not a finite number.
    """
    if isinstance(scaling, bool) or not isinstance(scaling, int | float) or not math.isfinite(scaling):
        raise ParameterError(f"scaling must be a finite number, got {scaling!r}")
    if unknown := sorted(set(vector) - set(pretrained)):
        raise MismatchError(f"the task vector has keys that the pre-trained weights lack: {', '.join(unknown)}")
    merged = {}
    for key in pretrained:
        start = pretrained[key]
        if key not in vector or scaling == 0:
            merged[key] = start.detach().clone()
            continue
        difference = vector[key]
        if difference.shape != start.shape:
            raise MismatchError(
                f"{key!r} has shape {list(difference.shape)} in the task vector, {list(start.shape)} in the weights"
            )
        merged[key] = torch.add(start.to(difference.dtype), difference, alpha=scaling).to(start.dtype)
    return merged


def cosine_similarity(task_vectors: Sequence[Weights]) -> list[list[float]]:
    """Return the cosine similarity of every pair of task vectors, computed in float64.

    Returns:
        A symmetric ``tasks x tasks`` matrix with ones on its diagonal; 0 where a vector is zero.
    """
    products = torch.zeros(len(task_vectors), len(task_vectors), dtype=torch.float64)
    for key in task_vectors[0]:
        stacked = torch.stack([vector[key].double().flatten() for vector in task_vectors])
        products += stacked @ stacked.T
    norms = products.diagonal().sqrt()
    scale = torch.outer(norms, norms)
    return torch.where(scale > 0, products / scale.clamp(min=1e-300), 0.0).tolist()
