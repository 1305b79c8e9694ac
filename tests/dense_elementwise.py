"""Elementwise methods again, from the papers' formulas over whole float64 vectors, sharing no code with the library."""

from collections.abc import Sequence

import numpy as np


def magmax(vectors: np.ndarray) -> np.ndarray:
    """Of every column, the entry of largest magnitude; of several, the last."""
    merged = np.zeros(vectors.shape[1])
    for entry in range(vectors.shape[1]):
        for row in vectors:
            if abs(row[entry]) >= abs(merged[entry]):
                merged[entry] = row[entry]
    return merged


def consensus(vectors: np.ndarray, merged: np.ndarray, needed_by: int, mask: float) -> np.ndarray:
    """Entries of tau where at least k tasks have |tau_t| > lambda |tau - tau_t|."""
    kept = merged.copy()
    for entry in range(vectors.shape[1]):
        counted = sum(abs(row[entry]) > mask * abs(merged[entry] - row[entry]) for row in vectors)
        if counted < needed_by:
            kept[entry] = 0
    return kept


def crumbs(row: np.ndarray, keep: float, drop: float) -> np.ndarray:
    """One row (distinct magnitudes): without the largest, and of the rest only the largest."""
    order = np.argsort(-np.abs(row))
    first = int(round(row.size * drop, 9))
    kept = order[first : first + int(round(row.size * keep, 9))]
    masked = np.zeros_like(row)
    masked[kept] = row[kept]
    return masked


def breadcrumbs(tensors: Sequence[np.ndarray], keep: float, drop: float, by_row: bool) -> np.ndarray:
    """The sum over tasks of one tensor, masked along its last dimension or as a whole."""
    total = np.zeros(tensors[0].shape)
    for tensor in tensors:
        if tensor.ndim == 0:
            total += tensor
        elif by_row:
            total += np.apply_along_axis(crumbs, -1, tensor, keep, drop)
        else:
            total += crumbs(tensor.ravel(), keep, drop).reshape(tensor.shape)
    return total


def pcb(vectors: np.ndarray, keep: float, script: str, zeros: int) -> np.ndarray:
    """The authors' three scripts; ``zeros`` frozen entries are appended to every vector."""
    vectors = np.concatenate([vectors, np.zeros((len(vectors), zeros))], axis=1)
    tasks, size = vectors.shape

    def clamp(row: np.ndarray, below: float, above: float) -> np.ndarray:
        ascending = np.sort(row)
        return np.clip(row, ascending[int(round(size * below, 9))], ascending[int(round(size * (1 - above) - 1, 9))])

    def normalise(row: np.ndarray) -> np.ndarray:
        spread = row.max() - row.min()
        return (row - row.min()) / spread if spread else np.zeros_like(row)

    ratio = 0.0001 if script == "pcb-merging" else 0.01
    magnitudes = np.stack([clamp(np.abs(row), ratio, ratio) for row in vectors])
    scaled = np.stack([normalise(row) for row in magnitudes])
    signs = np.sign(vectors)
    weights = np.zeros_like(vectors)
    for task in range(tasks):
        intra = np.exp(tasks * scaled[task] ** 2)
        if script == "pcb":
            inter = np.tanh(vectors[task] * (signs * scaled).sum(axis=0))
        elif script == "pcb-merging":
            inter = np.tanh(vectors[task] * vectors.sum(axis=0))
        else:
            inter = sum(np.tanh(signs[task] * scaled[task] * signs[j] * scaled[j]) for j in range(tasks))
        weights[task] = normalise(clamp(intra * inter, 1 - keep, 0))
    merged = (weights * signs * magnitudes).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-12)
    return merged[: size - zeros]


def model_stock(vectors: np.ndarray, average: str) -> np.ndarray:
    """The mean times t, with t = N c / (1 + (N - 1) c), of one layer."""
    count = len(vectors)
    cosines = [
        vectors[i] @ vectors[j] / np.linalg.norm(vectors[i]) / np.linalg.norm(vectors[j])
        for i in range(count)
        for j in range(i)
    ]
    cosine = np.mean(cosines) if average == "cosine" else np.cos(np.mean(np.arccos(np.clip(cosines, -1, 1))))
    ratio = count * cosine / (1 + (count - 1) * cosine)
    return float(np.clip(ratio, 0, 1)) * vectors.mean(axis=0)


def slerp(first: np.ndarray, second: np.ndarray, t: float) -> np.ndarray:
    """sin((1 - t) Omega) / sin Omega first + sin(t Omega) / sin Omega second."""
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    if abs(cosine) > 0.9995:
        return (1 - t) * first + t * second
    omega = np.arccos(cosine)
    return (np.sin((1 - t) * omega) * first + np.sin(t * omega) * second) / np.sin(omega)


def multislerp(vectors: np.ndarray) -> np.ndarray:
    """mergekit's: a step of the exponential map along the mean tangent at the mean direction."""
    lengths = np.linalg.norm(vectors, axis=1)
    units = vectors / lengths[:, None]
    mean = units.mean(axis=0)
    mean /= np.linalg.norm(mean)
    tangent = np.mean([unit - (unit @ mean) * mean for unit in units], axis=0)
    angle = np.linalg.norm(tangent)
    direction = mean if angle < 1e-12 else mean * np.cos(angle) + tangent * np.sin(angle) / angle
    return direction * lengths.mean()


def karcher(vectors: np.ndarray) -> np.ndarray:
    """Gradient descent on the sum of squared angles, to convergence, over whole unit vectors."""
    lengths = np.linalg.norm(vectors, axis=1)
    units = vectors / lengths[:, None]
    mean = units.mean(axis=0) / np.linalg.norm(units.mean(axis=0))
    for _ in range(60):
        tangent = np.zeros_like(mean)
        for unit in units:
            angle = np.arccos(np.clip(unit @ mean, -1, 1))
            away = unit - (unit @ mean) * mean
            if np.linalg.norm(away) > 1e-15:
                tangent += angle * away / np.linalg.norm(away) / len(units)
        mean = mean + tangent
        mean /= np.linalg.norm(mean)
    return mean * lengths.mean()


def dppa(
    vector: dict[str, np.ndarray],
    blocks: Sequence[Sequence[str]],
    keep: float,
    core: float,
    spread: float,
    *ratios: float,
) -> dict[str, np.ndarray]:
    """One task's amplified task vector, as the authors' scripts prune (``magnitude_owl_layer_wei``) and amplify."""

    def outliers(values: np.ndarray, times: float) -> float:
        return float(np.mean(np.abs(values) > times * np.abs(values).mean()))

    def scaled(shares: np.ndarray, mean: float) -> np.ndarray:
        largest = np.abs(shares - mean).max()
        return (shares - mean) * (spread / largest if largest > 1e-12 else 0)

    of_blocks = np.array([outliers(np.concatenate([vector[key].ravel() for key in keys]), 3) for keys in blocks])
    of_blocks = scaled(of_blocks, of_blocks.mean())
    layers = [(number, key) for number, keys in enumerate(blocks) for key in keys]
    of_layers = np.array([outliers(vector[key], 5) for _, key in layers])
    of_layers = scaled(of_layers, np.average(of_layers, weights=[vector[key].size for _, key in layers]))
    made = {key: max(ratios) * tensor for key, tensor in vector.items()}
    for (number, key), of_layer in zip(layers, of_layers, strict=True):
        magnitudes, made[key] = np.abs(vector[key]), np.zeros_like(vector[key])
        for share, ratio in zip((keep, core), ratios, strict=True):
            pruned = int(round(vector[key].size * (1 - np.clip(share + of_blocks[number] + of_layer, 0, 1)), 6))
            threshold = np.append(np.sort(magnitudes.ravel()), np.inf)[pruned]
            amplified = ratio * np.where(magnitudes > threshold, vector[key], 0)
            made[key] = np.where(np.abs(amplified) > np.abs(made[key]), amplified, made[key])
    return made
