"""The methods again, written from the papers' formulas over dense float64 arrays, sharing no code with the library."""

from collections.abc import Callable

import numpy as np


def flatten(weights: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([np.asarray(weights[key], np.float64).ravel() for key in sorted(weights)])


def unflatten(flat: np.ndarray, like: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    result, begin = {}, 0
    for key in sorted(like):
        size = np.asarray(like[key]).size
        result[key] = flat[begin : begin + size].reshape(np.asarray(like[key]).shape)
        begin += size
    return result


def task_arithmetic(start: np.ndarray, tuned: np.ndarray, scaling: float) -> np.ndarray:
    """theta_0 + lambda sum_k (theta_k - theta_0); rows of ``tuned`` are models."""
    return start + scaling * (tuned - start).sum(axis=0)


def trim(vector: np.ndarray, keep: float) -> np.ndarray:
    """Sort by magnitude; zero everything smaller than the last of the top share."""
    kept = max(1, int(round(keep * vector.size, 6)))
    smallest_kept = np.sort(np.abs(vector))[::-1][kept - 1]
    return np.where(np.abs(vector) < smallest_kept, 0.0, vector)


def elect(trimmed: np.ndarray) -> np.ndarray:
    """The sign of the greater total movement; without one, the sign most entries have; failing that, minus."""
    signs = np.sign(trimmed.sum(axis=0))
    majority = np.sign(signs.sum())
    signs[signs == 0] = majority if majority != 0 else -1
    return signs


def ties_vector(vectors: np.ndarray, keep: float, merge: str) -> np.ndarray:
    """Algorithm 1 of TIES-Merging, entry by entry."""
    trimmed = np.stack([trim(vector, keep) for vector in vectors])
    signs = elect(trimmed)
    merged = np.zeros(vectors.shape[1])
    for entry in range(vectors.shape[1]):
        agreeing = [value for value in trimmed[:, entry] if value != 0 and np.sign(value) == signs[entry]]
        if not agreeing:
            continue
        if merge == "sum":
            merged[entry] = sum(agreeing)
        elif merge == "mean":
            merged[entry] = sum(agreeing) / len(agreeing)
        else:
            merged[entry] = max(agreeing, key=abs)
    return merged


def fisher_information(
    log_likelihoods: Callable[[np.ndarray, np.ndarray], np.ndarray], parameters: np.ndarray, examples: np.ndarray
) -> np.ndarray:
    """mean_x sum_y p(y|x) (d log p(y|x) / d theta)^2, one derivative at a time, by central differences."""
    step, total = 1e-5, np.zeros_like(parameters)
    for example in examples:
        probabilities = np.exp(log_likelihoods(parameters, example))
        for entry in range(parameters.size):
            shift = np.zeros_like(parameters)
            shift[entry] = step
            ahead, behind = (log_likelihoods(parameters + sign * shift, example) for sign in (1, -1))
            total[entry] += (probabilities * ((ahead - behind) / (2 * step)) ** 2).sum()
    return total / len(examples)


def fisher_merging(models: np.ndarray, information: np.ndarray, floor: float = 1e-6) -> np.ndarray:
    """Equation 4 of Fisher merging with floored, normalised information; rows are models."""
    merged = np.zeros(models.shape[1])
    for entry in range(models.shape[1]):
        weights = [max(row[entry], floor) / np.sqrt((row**2).sum()) for row in information]
        merged[entry] = sum(w * row[entry] for w, row in zip(weights, models, strict=True)) / sum(weights)
    return merged


def regmean(weights: np.ndarray, inputs: list[np.ndarray], off_diagonal: float) -> np.ndarray:
    """Equation 2 of RegMean: (sum_k G_k)^-1 sum_k G_k W_k, for weights ``[models, outputs, inputs]``."""
    size = weights.shape[2]
    left, right = np.zeros((size, size)), np.zeros((size, weights.shape[1]))
    for weight, rows in zip(weights, inputs, strict=True):
        gram = np.zeros((size, size))
        for row in rows:
            gram += np.outer(row, row) / len(rows)
        for i in range(size):
            for j in range(size):
                gram[i, j] *= 1.0 if i == j else off_diagonal
        left += gram
        right += gram @ weight.T
    return (np.linalg.inv(left) @ right).T
