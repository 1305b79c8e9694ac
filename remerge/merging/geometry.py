"""Merging every tensor by the lengths of the tasks' vectors and the angles between them.

A task's tensor is taken for one vector. As all these methods return a combination of these vectors, their inner
products, from one pass, are all that they need.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from remerge.checkpoints.weights import Weights
from remerge.merging.coefficients import ByCoefficients
from remerge.merging.reductions import over_tiles
from remerge.merging.rules import MergeRule, Place


def by_geometry(task_vectors: Sequence[Weights], weigh: Callable[[Tensor, Tensor], Tensor]) -> MergeRule:
    """Return the rule that adds up the tasks' vectors, weighted tensor by tensor.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        weigh: Maps lengths ``[tasks]`` and cosines ``[tasks, tasks]``, float64, to a weight per task ``[tasks]``.
            Cosines of a vector of length zero are zero, also with itself.
    """
    products = over_tiles(task_vectors, _products)
    tasks = len(task_vectors)
    weights = [
        _weights(products.get(key, torch.zeros(tasks, tasks, dtype=torch.float64)), weigh) for key in task_vectors[0]
    ]
    return ByCoefficients(torch.stack(weights, dim=1), list(task_vectors[0]))


def _products(place: Place, entries: Sequence[Tensor]) -> Tensor:
    stacked = torch.stack(list(entries)).double()
    return stacked @ stacked.T


def _weights(products: Tensor, weigh: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    lengths = products.diagonal().sqrt()
    scale = torch.outer(lengths, lengths)
    return weigh(lengths, torch.where(scale > 0, products / scale, 0.0).clamp(-1, 1))


def stock(lengths: Tensor, cosines: Tensor, average: str) -> Tensor:
    """Return Model Stock's weights: the mean's, times the ratio ``N c / (1 + (N - 1) c)``, kept in [0, 1].

    Args:
        lengths: ``[tasks]``.
        cosines: ``[tasks, tasks]``.
        average: What ``c`` is the mean of over all pairs: ``cosine``, or ``angle``, whose cosine it then is.
    """
    tasks = len(lengths)
    first, second = torch.triu_indices(tasks, tasks, offset=1)
    pairs = cosines[first, second]
    if tasks == 1:
        shared = 1.0
    elif average == "angle":
        shared = float(pairs.arccos().mean().cos())
    else:
        shared = float(pairs.mean())
    # Cosines that are negative on average give a ratio below zero or beyond its pole.
    ratio = tasks * shared / (1 + (tasks - 1) * shared) if shared > 0 else 0.0
    return torch.full_like(lengths, min(ratio, 1.0) / tasks)


# Above this cosine, mergekit interpolates linearly.
NEARLY_PARALLEL = 0.9995


def slerp(lengths: Tensor, cosines: Tensor, t: float) -> Tensor:
    """Return the weights of spherical linear interpolation between two vectors, a share ``t`` of the way."""
    if len(lengths) == 1:
        return torch.ones_like(lengths)
    cosine = cosines[0, 1]
    if not lengths.all() or cosine.abs() > NEARLY_PARALLEL:
        return torch.tensor([1 - t, t], dtype=torch.float64)
    angle = cosine.arccos()
    return torch.stack([((1 - t) * angle).sin(), (t * angle).sin()]) / angle.sin()


def multislerp(lengths: Tensor, cosines: Tensor) -> Tensor:
    """Return multi-SLERP's weights: the mean direction, as long as the vectors on average.

    mergekit adds a step along the mean tangent at the mean direction, which is zero: the tangents are those of the
    vectors that the mean direction is the mean of.
    """
    return _as_long(_normalised(_inverse(lengths).sign() / len(lengths), cosines), lengths, lengths.mean())


def karcher(lengths: Tensor, cosines: Tensor, iterations: int, tolerance: float) -> Tensor:
    """Return the weights of the Karcher mean of directions, the point of the sphere with the least squared angles.

    Args:
        lengths: ``[tasks]``; vectors of length zero have no direction and are left out.
        cosines: ``[tasks, tasks]``.
        iterations: The most steps along the mean tangent.
        tolerance: Length of a step at which to stop.
    """
    moved = lengths > 0
    count = int(moved.sum())
    shares = moved.double() / max(count, 1)
    mean = _normalised(shares, cosines)
    for _ in range(iterations):
        towards = (cosines @ mean).clamp(-1, 1)
        angles = towards.arccos()
        sines = angles.sin()
        pulls = shares * torch.where(sines > tolerance, angles / sines, 1.0)
        step = pulls - (pulls @ towards) * mean
        length = float((step @ cosines @ step).clamp(min=0).sqrt())
        if length < tolerance:
            break
        mean = _normalised(math.cos(length) * mean + math.sin(length) / length * step, cosines)
    return _as_long(mean, lengths, lengths.sum() / max(count, 1))


def _inverse(lengths: Tensor) -> Tensor:
    return torch.where(lengths > 0, 1 / lengths, 0.0)


def _normalised(weights: Tensor, cosines: Tensor) -> Tensor:
    """Weights of directions whose sum has length one; zeros if the sum is zero up to rounding."""
    square = weights @ cosines @ weights
    return weights / square.sqrt() if square > torch.finfo(torch.float64).eps else torch.zeros_like(weights)


def _as_long(directions: Tensor, lengths: Tensor, length: Tensor) -> Tensor:
    """Weights of vectors whose directions have these weights, for a sum of some length."""
    return directions * _inverse(lengths) * length
