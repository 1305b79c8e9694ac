"""Essential subspaces: where a task vector moves a layer's outputs most, on some images (arXiv:2602.20208)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from remerge.merging.singular import polar

# Of the authors' code: how much directions of larger movement count, and the norms of tasks, columns and layers.
MOVEMENT, NORMS = 0.15, 2
# A constant of the authors' code that the merging coefficient multiplies.
FACTOR = 2.0


def directions(vector: Tensor, gram: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the principal directions of ``X vector^T``, the movement of a layer's outputs, not centred.

    Args:
        vector: The layer's task vector, float64 ``[outputs, inputs]``.
        gram: The mean inner products of its inputs X, ``[inputs, inputs]``; their dtype says how exact they are.
        rank: How many to return.

    Returns:
        Orthonormal columns ``[outputs, rank]``, and the outputs' mean square along each, ``[rank]``, descending. Both
        are zero from where there is no movement.
    """
    exact = gram.double()
    zero = torch.finfo(gram.dtype).eps * exact.norm() * vector.square().sum()
    if vector.shape[0] <= vector.shape[1]:
        squares, columns = torch.linalg.eigh(vector @ exact @ vector.T)
    else:
        # The same movement of fewer inputs, the principal ones, scaled.
        values, inputs = torch.linalg.eigh(exact)
        moved = vector @ (inputs * values.clamp(min=0).sqrt())
        squares, right = torch.linalg.eigh(moved.T @ moved)
        columns = moved @ right / squares.clamp(min=zero).sqrt()
    squares, columns = squares.flip(0)[:rank], columns.flip(1)[:, :rank]
    missing = rank - len(squares)
    squares = torch.cat([squares, squares.new_zeros(missing)])
    columns = torch.cat([columns, columns.new_zeros(len(columns), missing)], dim=1)
    moves = squares > zero
    return torch.where(moves, columns, 0.0), torch.where(moves, squares, 0.0)


def merge_essential(vectors: Sequence[Tensor], grams: Sequence[Tensor]) -> Tensor:
    """Return the merged matrix of one layer: every task's movement within its essential subspace, made orthogonal.

    Args:
        vectors: The layer's task vectors, ``[outputs, inputs]``.
        grams: The mean inner products of its inputs, ``[inputs, inputs]``.

    Returns:
        float64 ``[outputs, inputs]``.
    """
    rank = len(vectors[0]) // len(vectors)
    exact = [vector.double() for vector in vectors]
    norms = torch.stack([vector.norm() for vector in exact])
    left, right = [], []
    for vector, gram, norm in zip(exact, grams, norms, strict=True):
        columns, squares = directions(vector, gram, rank)
        weights = (squares / squares.mean().clamp(min=torch.finfo(squares.dtype).tiny)) ** MOVEMENT
        weights = weights / weights.mean().clamp(min=torch.finfo(weights.dtype).tiny)
        left.append(columns * weights)
        right.append(weights[:, None] * (columns.T @ vector) * norm**NORMS)
    rows = torch.cat(right)
    if not rows.any():
        return torch.zeros_like(exact[0])
    return FACTOR * _evened(torch.cat(left, dim=1)) @ _evened(_agreed(rows / norms.mean() ** NORMS))


def _agreed(rows: Tensor) -> Tensor:
    """Coefficients ``[k, inputs]``, with those of each input scaled by how large they are over all tasks."""
    lengths = rows.norm(dim=0)
    return rows * (lengths / lengths.mean()) ** NORMS


def _evened(columns: Tensor) -> Tensor:
    """A matrix ``[n, k]`` with all singular values as large as their mean."""
    tall = columns.T if columns.shape[1] > columns.shape[0] else columns
    factor = polar(tall / tall.norm(dim=0).max())
    # The inner product with the polar factor is the sum of singular values.
    even = factor * ((factor * tall).sum() / tall.shape[1])
    return even.T if tall is not columns else even


def even_layers(kind: Sequence[Tensor]) -> list[Tensor]:
    """Return the matrices of layers of one kind, each times the square of its norm relative to their mean."""
    norms = torch.stack([matrix.norm() for matrix in kind])
    return [matrix * (norm / norms.mean()) ** NORMS for matrix, norm in zip(kind, norms, strict=True)]
