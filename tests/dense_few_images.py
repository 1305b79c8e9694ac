"""Methods that look at a few images, written from the papers' formulas over dense float64 arrays."""

from math import erf, sqrt

import numpy as np

Tensors = dict[str, np.ndarray]


def normalised(states: np.ndarray) -> np.ndarray:
    centred = states - states.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)


def run_block(weights: Tensors, states: np.ndarray, heads: int) -> tuple[Tensors, np.ndarray]:
    """A transformer block: what every weight multiplies, and the block's outputs, ``[n, positions, width]``."""
    seen: Tensors = {"ln_1.weight": normalised(states)}
    inputs = seen["ln_1.weight"] * weights["ln_1.weight"] + weights["ln_1.bias"]
    seen["attn.in_proj_weight"] = inputs
    queries, keys, values = np.split(
        inputs @ weights["attn.in_proj_weight"].T + weights["attn.in_proj_bias"], 3, axis=-1
    )
    attended = np.zeros_like(states)
    size = states.shape[-1] // heads
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        for image in range(len(states)):
            scores = queries[image, :, part] @ keys[image, :, part].T / sqrt(size)
            shares = np.exp(scores - scores.max(axis=1, keepdims=True))
            attended[image, :, part] = shares / shares.sum(axis=1, keepdims=True) @ values[image, :, part]
    seen["attn.out_proj.weight"] = attended
    states = states + attended @ weights["attn.out_proj.weight"].T + weights["attn.out_proj.bias"]
    seen["ln_2.weight"] = normalised(states)
    seen["mlp.c_fc.weight"] = seen["ln_2.weight"] * weights["ln_2.weight"] + weights["ln_2.bias"]
    hidden = seen["mlp.c_fc.weight"] @ weights["mlp.c_fc.weight"].T + weights["mlp.c_fc.bias"]
    seen["mlp.c_proj.weight"] = hidden * (1 + np.vectorize(erf)(hidden / sqrt(2))) / 2
    return seen, states + seen["mlp.c_proj.weight"] @ weights["mlp.c_proj.weight"].T + weights["mlp.c_proj.bias"]


def flat(inputs: np.ndarray) -> np.ndarray:
    return inputs.reshape(-1, inputs.shape[-1])


def lot_linear(vectors: np.ndarray, inputs: list[np.ndarray]) -> np.ndarray:
    """The shortest T with the least sum of |X_t (T - tau_t)^T|^2, posed as one dense problem."""
    targets = np.concatenate([rows @ vector.T for rows, vector in zip(inputs, vectors, strict=True)])
    return np.linalg.lstsq(np.concatenate(inputs), targets, rcond=1e-10)[0].T


def lot_scale(vectors: np.ndarray, inputs: list[np.ndarray]) -> np.ndarray:
    """The same of a vector that scales channels one by one."""
    merged = np.zeros(vectors.shape[1])
    for channel in range(len(merged)):
        energy = [(rows[:, channel] ** 2).sum() for rows in inputs]
        merged[channel] = sum(e * v for e, v in zip(energy, vectors[:, channel], strict=True)) / sum(energy)
    return merged


def conjugate_gradients(left: np.ndarray, right: np.ndarray, start: np.ndarray, iterations: int) -> np.ndarray:
    """Hestenes and Stiefel's algorithm on the equations of all outputs, stacked."""
    outputs = right.shape[1]
    system, solution = np.kron(left, np.eye(outputs)), start.ravel().copy()
    residual = right.ravel() - system @ solution
    direction = residual.copy()
    for _ in range(iterations):
        step = residual @ residual / (direction @ system @ direction)
        solution += step * direction
        before, residual = residual, residual - step * system @ direction
        direction = residual + residual @ residual / (before @ before) * direction
    return solution.reshape(right.shape)


def esm(vectors: np.ndarray, inputs: list[np.ndarray]) -> np.ndarray:
    """Essential subspaces of one layer, merged; the task vectors are ``[tasks, outputs, inputs]``."""
    kept = vectors.shape[1] // len(vectors)
    norms = [np.linalg.norm(vector) for vector in vectors]
    left, right = [], []
    for vector, rows, norm in zip(vectors, inputs, norms, strict=True):
        _, moves, directions = np.linalg.svd(rows @ vector.T)
        moves = moves[:kept] ** 2
        weights = (moves / moves.mean()) ** 0.15
        weights = weights / weights.mean()
        essential = directions.T[:, :kept]
        left.append(essential @ np.diag(weights))
        right.append(np.diag(weights) @ essential.T @ vector * norm**2 / np.mean(norms) ** 2)
    bases, coefficients = np.concatenate(left, axis=1), np.concatenate(right)
    lengths = np.sqrt((coefficients**2).sum(axis=0))
    coefficients = coefficients @ np.diag((lengths / lengths.mean()) ** 2)

    def even(matrix: np.ndarray) -> np.ndarray:
        u, values, v = np.linalg.svd(matrix, full_matrices=False)
        return values.mean() * u @ v

    return 2 * even(bases) @ even(coefficients)


def featcal_linear(
    experts: list[tuple[np.ndarray, np.ndarray]],
    ours: list[np.ndarray],
    targets: list[np.ndarray],
    weights: list[np.ndarray],
    anchor: tuple[np.ndarray, np.ndarray],
    ridge: float,
) -> tuple[np.ndarray, np.ndarray]:
    """A weight by ridge regression, posed as one dense problem, and then its bias."""
    rows, wanted = [sqrt(ridge) * np.eye(anchor[0].shape[1])], [sqrt(ridge) * anchor[0].T]
    shares = [weight / weight.sum() for weight in weights]
    norms = [np.linalg.norm(x.T @ (x * share[:, None])) for x, share in zip(ours, shares, strict=True)]
    for (weight, _), x, y, share, norm in zip(experts, ours, targets, shares, norms, strict=True):
        scale = np.sqrt(share / norm)[:, None]
        rows.append(scale * x)
        wanted.append(scale * (y @ weight.T))
    solved = np.linalg.lstsq(np.concatenate(rows), np.concatenate(wanted), rcond=None)[0].T
    total, divisor = ridge * anchor[1], ridge
    for (weight, bias), x, y, share, norm in zip(experts, ours, targets, shares, norms, strict=True):
        total = total + (bias + weight @ (share @ y) - solved @ (share @ x)) / norm
        divisor += float(1 / norm)
    return solved, total / divisor


def featcal_norm(
    experts: list[tuple[np.ndarray, np.ndarray]],
    ours: list[np.ndarray],
    weights: list[np.ndarray],
    anchor: tuple[np.ndarray, np.ndarray],
    ridge: float,
) -> tuple[np.ndarray, np.ndarray]:
    """A scale and a shift, by ridge regression on one channel after the other."""
    scales, shifts = np.zeros_like(anchor[0]), np.zeros_like(anchor[1])
    for channel in range(len(scales)):
        drawn = sqrt(ridge) * np.array([anchor[0][channel], anchor[1][channel]])
        rows, wanted = [sqrt(ridge) * np.eye(2)], [drawn]
        for (scale, shift), z, weight in zip(experts, ours, weights, strict=True):
            root = np.sqrt(weight / weight.sum())
            rows.append(root[:, None] * np.stack([z[:, channel], np.ones(len(z))], axis=1))
            wanted.append(root * (scale[channel] * z[:, channel] + shift[channel]))
        scales[channel], shifts[channel] = np.linalg.lstsq(np.concatenate(rows), np.concatenate(wanted), rcond=None)[0]
    return scales, shifts
