"""Methods with a part for every task, written from the papers' formulas over dense float64 arrays, entry by entry."""

import numpy as np

Tensors = dict[str, np.ndarray]


def emr(start: Tensors, vectors: list[Tensors], rescaler: str) -> list[Tensors]:
    """EMR-Merging, equations 2 to 5: elect, mask, rescale; every task's weights."""
    unified = {key: np.zeros_like(tensor) for key, tensor in start.items()}
    for key, tensor in unified.items():
        for entry in np.ndindex(tensor.shape):
            values = [vector[key][entry] for vector in vectors]
            sign = 1 if sum(values) > 0 else -1
            tensor[entry] = sign * max([abs(value) for value in values if np.sign(value) == sign], default=0.0)
    made = []
    for vector in vectors:
        masked = {key: np.where(vector[key] * unified[key] > 0, unified[key], 0.0) for key in start}
        reduce = np.mean if rescaler == "tensors" else np.sum
        before = sum(reduce(np.abs(vector[key])) for key in start)
        after = sum(reduce(np.abs(masked[key])) for key in start)
        made.append({key: start[key] + (before / after if after else 1.0) * masked[key] for key in start})
    return made


def tall_masks(start: Tensors, vectors: list[Tensors], merged: Tensors, threshold: float) -> list[Tensors]:
    """TALL masks, equation 5: an entry stays where the task's own movement outweighs that of the others."""
    return [
        {
            key: start[key] + np.where(abs(own[key]) > threshold * abs(merged[key] - own[key]), merged[key], 0.0)
            for key in start
        }
        for own in vectors
    ]


def tsv_compress(start: Tensors, vectors: list[Tensors], others: str) -> list[Tensors]:
    """TSV-Compress: of every matrix the first triplets, one by one; of everything else the mean or the sum."""
    made = []
    for vector in vectors:
        weights = {}
        for key, tensor in start.items():
            if tensor.ndim == 2:
                left, values, right = np.linalg.svd(vector[key])
                kept = max(1, min(tensor.shape) // len(vectors))
                weights[key] = tensor + sum(values[i] * np.outer(left[:, i], right[i]) for i in range(kept))
            else:
                total = sum(other[key] for other in vectors)
                weights[key] = tensor + {"zero": 0 * total, "mean": total / len(vectors), "sum": total}[others]
        made.append(weights)
    return made
