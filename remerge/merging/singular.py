"""Singular value decompositions of task vectors' matrices, and nearest orthonormal columns, computed in float64."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

# Squared length of what a column adds to the others' span; below, its direction would be that of rounding errors.
DEPENDENT = 1e-11
# One rounding of every entry changes singular values by at most half an epsilon of the Frobenius norm.
ROUNDINGS = 10
# Columns whose inner products are computed at a time: few enough to skip nearly half of them, many enough to be fast.
COLUMNS = 192


def rounding(matrix: Tensor) -> float:
    """Return what a few roundings of a matrix to its dtype change its singular values by, at most."""
    return ROUNDINGS * torch.finfo(matrix.dtype).eps * float(matrix.norm())


def thin_svd(matrix: Tensor, rank: int | None = None, zero: float | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Return the largest singular values of a matrix and their vectors, without those that are zero.

    The vectors that are left are unique but for signs and equal singular values.

    Args:
        matrix: ``[rows, columns]``. In float32 (or shorter), the eigenvectors of its inner products are computed, which
            takes two thirds of the time; in float64 these are exact to 1e-8 of the largest singular value, more than
            a decomposition in float32. A float64 matrix is decomposed itself.
        rank: The most to return; all by default.
        zero: Singular values up to this are zero; by default the matrix's :func:`rounding`.

    Returns:
        Left vectors ``[rows, k]``, singular values ``[k]``, descending, and right vectors ``[columns, k]``, float64.
    """
    if matrix.dtype != torch.float64:
        return from_shorter_side(matrix, *of_shorter_side(matrix, zero), rank)
    if matrix.shape[0] < matrix.shape[1]:
        right, values, left = thin_svd(matrix.T, rank, zero)
        return left, values, right
    left, values, rows = torch.linalg.svd(matrix, full_matrices=False)
    kept = int((values > (rounding(matrix) if zero is None else zero)).sum())
    return left[:, :kept][:, :rank], values[:kept][:rank], rows[:kept][:rank].T


def of_shorter_side(matrix: Tensor, zero: float | None = None) -> tuple[Tensor, Tensor]:
    """Return the half of a decomposition that takes time: the eigenvectors of the inner products along the longer side.

    Args:
        matrix: ``[rows, columns]``, float32 or shorter.
        zero: See :func:`thin_svd`.

    Returns:
        All singular values that are not zero, ``[k]``, descending, and the singular vectors of the shorter side, a
        vector per row, ``[k, min(rows, columns)]``; float64.
    """
    squares, vectors = _eigenpairs(_inner_products(_upright(matrix).double()))
    kept = int((squares > (rounding(matrix) if zero is None else zero) ** 2).sum())
    return squares.flip(0)[:kept].sqrt(), vectors.T.flip(0)[:kept].contiguous()


def from_shorter_side(
    matrix: Tensor, values: Tensor, vectors: Tensor, rank: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the decomposition of a matrix, as :func:`thin_svd` does, given what :func:`of_shorter_side` returned."""
    values, shorter = values[:rank], vectors[:rank].T
    longer = _upright(matrix).double() @ shorter / values
    return (shorter, values, longer) if matrix.shape[0] < matrix.shape[1] else (longer, values, shorter)


def _upright(matrix: Tensor) -> Tensor:
    return matrix.T if matrix.shape[0] < matrix.shape[1] else matrix


def _inner_products(columns: Tensor) -> Tensor:
    """All pairs' inner products of columns in their lower triangle, which is all that :func:`_eigenpairs` reads."""
    side = columns.shape[1]
    found = columns.new_zeros(side, side)
    for begin in range(0, side, COLUMNS):
        found[begin:, begin : begin + COLUMNS] = columns[:, begin:].T @ columns[:, begin : begin + COLUMNS]
    return found


def _eigenpairs(symmetric: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, ascending, and eigenvectors of a matrix of which the lower triangle is given.

    On the CPU by NumPy's LAPACK, which took two thirds of torch's time on an AMD EPYC.
    """
    if symmetric.device.type != "cpu":
        values, vectors = torch.linalg.eigh(symmetric)
        return values, vectors
    values, vectors = map(torch.from_numpy, np.linalg.eigh(symmetric.numpy()))
    return values, vectors


def polar(columns: Tensor) -> Tensor:
    """Return the orthonormal columns nearest to some columns, the orthogonal factor of their polar decomposition.

    Where columns depend on each other, those of the span's: the factor is then a partial isometry, which is unique.

    Args:
        columns: ``[rows, k]`` of length one each, float64; ``k`` is at most ``rows``.

    Returns:
        ``[rows, k]``, float64.
    """
    return columns @ _inverse_root(columns)


def with_orthonormal(left: Tensor, values: Tensor, right: Tensor) -> Tensor:
    """Return the matrix of some singular values whose vectors are those given, made orthonormal by :func:`polar`.

    Args:
        left: ``[rows, k]``, float64.
        values: ``[k]``, float64.
        right: ``[columns, k]``, float64.

    Returns:
        ``[rows, columns]``, float64.
    """
    between = _inverse_root(left) * values @ _inverse_root(right)
    return left @ (between @ right.T)


def _inverse_root(columns: Tensor) -> Tensor:
    """The inverse square root of columns' inner products, ``[k, k]``, in the directions that they span."""
    squares, vectors = _eigenpairs(_inner_products(columns))
    kept = squares > DEPENDENT
    vectors = vectors[:, kept]
    return vectors / squares[kept].sqrt() @ vectors.T


def side_by_side(decompositions: Iterable[tuple[Tensor, Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    """Return left vectors ``[rows, k]``, singular values ``[k]`` and right vectors ``[columns, k]`` of all matrices."""
    left, values, right = zip(*decompositions, strict=True)
    return torch.cat(left, dim=1), torch.cat(values), torch.cat(right, dim=1)
