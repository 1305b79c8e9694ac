"""Spearman's rank correlation between the numbers that a model answers and the true ones, with its sampling error."""

import math
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from remerge.scoring.answers import unpack_classes
from remerge.texts import NO_ANSWER

Z = 1.959964
"""Half-width, in standard errors, of the central 95 % of a normal distribution."""

Floats = npt.NDArray[np.floating]
Number = TypeVar("Number", float, pd.Series)


def numbers(packed: str, n: int) -> Floats:
    """Unpack answers that are numbers, ``[n]``; an answer that is none counts as 0, as FusionBench has it.

    Raises:
        RemergeError: See :func:`remerge.scoring.answers.unpack_classes`.
    """
    classes = unpack_classes(packed, n)
    return np.where(classes == NO_ANSWER, 0, classes).astype(float)


def spearman(given: Floats, true: Floats) -> float:
    """Return Spearman's rank correlation of numbers, ``[n]`` each; 0 if either are all the same."""
    return float(_correlations(_ranks(given), _ranks(true)))


def variance(rho: Number, n: Number) -> Number:
    """Return the variance of rank correlations over ``n`` examples (Bonett & Wright 2000, Psychometrika 65:23)."""
    return (1 + rho**2 / 2) * (1 - rho**2) ** 2 / (n - 3)


def interval(rho: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a rank correlation, with the same variance, by Fisher's transformation."""
    if abs(rho) == 1:
        return rho, rho
    half = Z * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)


def contributions(given: Floats, true: Floats) -> Floats:
    """Return what each example contributes to a rank correlation, ``[n]``: their mean is the correlation.

    They are the jackknife's pseudo-values but for a shift (Efron & Stein 1981, Annals of Statistics 9:586), so that a
    mean over resampled examples varies as the correlation does.
    """
    n = len(given)
    # Row i has the ranks of all examples but the i-th, whose own weight is zero.
    left = _correlations(_ranks(given) - _below(given), _ranks(true) - _below(true), 1 - np.eye(n))
    return spearman(given, true) + (n - 1) * (left.mean() - left)


def _ranks(values: Floats) -> Floats:
    return pd.Series(values).rank().to_numpy()


def _below(values: Floats) -> Floats:
    """By how much the rank of example j falls without example i, ``[n, n]``: 1 if i is below, a half if they tie."""
    return (values[:, None] < values) + (values[:, None] == values) / 2


def _correlations(first: Floats, second: Floats, weights: Floats | float = 1.0) -> Floats:
    """Pearson's correlations along the last axis, 0 where either side is constant."""
    weights = np.broadcast_to(weights, first.shape)
    total = weights.sum(axis=-1, keepdims=True)
    first, second = (
        weights * (each - (weights * each).sum(axis=-1, keepdims=True) / total) for each in (first, second)
    )
    scale = np.sqrt((first**2).sum(axis=-1) * (second**2).sum(axis=-1))
    products = (first * second).sum(axis=-1)
    return np.divide(products, scale, out=np.zeros_like(scale), where=scale > 0)
