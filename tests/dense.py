"""The methods again, written from the papers' formulas over dense float64 arrays, sharing no code with the library."""

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
