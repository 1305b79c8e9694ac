"""Methods that decompose matrices, from the papers' formulas in float64 numpy, sharing no code with the library.

Each takes one matrix of all tasks, ``[tasks, rows, columns]``, and returns the merged task vector of it.
"""

import numpy as np


def polar(matrix: np.ndarray) -> np.ndarray:
    """U V^T of a matrix's decomposition: the nearest orthonormal columns."""
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    return left @ right


def tsv_m(tasks: np.ndarray) -> np.ndarray:
    """Sum of the outer products of orthogonalised singular vectors, r/T of every task."""
    rank = min(tasks.shape[1:]) // len(tasks)
    lefts, values, rights = [], [], []
    for task in tasks:
        left, value, right = np.linalg.svd(task, full_matrices=False)
        lefts += list(left.T[:rank])
        values += list(value[:rank])
        rights += list(right[:rank])
    orthogonal_left, orthogonal_right = polar(np.array(lefts).T), polar(np.array(rights).T)
    merged = np.zeros(tasks.shape[1:])
    for index, value in enumerate(values):
        merged += value * np.outer(orthogonal_left[:, index], orthogonal_right[:, index])
    return merged


def iso_c(tasks: np.ndarray) -> np.ndarray:
    """The sum's singular vectors with the mean of its singular values."""
    left, values, right = np.linalg.svd(tasks.sum(axis=0), full_matrices=False)
    return left @ np.diag(np.full(len(values), values.mean())) @ right


def iso_cts(tasks: np.ndarray, common: float) -> np.ndarray:
    """Common and task-specific directions; the sizes of their spaces are rounded as in the authors' code."""
    rank = min(tasks.shape[1:])
    own = round((rank - int(rank * common)) / len(tasks))
    shared = rank - own * len(tasks)
    left, values, right = np.linalg.svd(tasks.sum(axis=0), full_matrices=False)
    left = left[:, :shared]
    lefts, kept, rights = [left], [values[:shared]], [right[:shared]]
    for task in tasks:
        own_left, own_values, own_right = np.linalg.svd(task - left @ left.T @ task, full_matrices=False)
        lefts.append(own_left[:, :own])
        rights.append(own_right[:own])
        kept.append(own_values[:own])
    return np.concatenate(kept).mean() * polar(np.hstack(lefts)) @ polar(np.vstack(rights))


def interference(merged: np.ndarray, tasks: np.ndarray) -> float:
    """What WUDI-Merging minimises."""
    return float(np.sum([np.sum(((merged - task) @ task.T) ** 2) / np.sum(task**2) for task in tasks]))


def wudi(tasks: np.ndarray, steps: int, rate: float) -> np.ndarray:
    """Adam (arXiv:1412.6980, algorithm 1) on the interference, whose derivative is taken task by task."""
    merged = tasks.sum(axis=0)
    first, second = np.zeros_like(merged), np.zeros_like(merged)
    for step in range(1, steps + 1):
        gradient = np.zeros_like(merged)
        for task in tasks:
            gradient += 2 * (merged - task) @ task.T @ task / (task**2).sum()
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        merged = merged - rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return merged


def low_rank(matrix: np.ndarray, rank: int) -> np.ndarray:
    """The best approximation of a rank."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    values[rank:] = 0
    return left @ np.diag(values) @ right


def cart(tasks: np.ndarray, rank: float, coefficient: float) -> np.ndarray:
    """The mean plus lambda times the sum of what tasks differ from it, each of low rank."""
    mean = tasks.mean(axis=0)
    kept = max(1, int(rank * min(tasks.shape[1:])))
    return mean + coefficient * sum(low_rank(task - mean, kept) for task in tasks)


def dc_merge(tasks: np.ndarray, keep: float) -> np.ndarray:
    """Truncated matrices in the cover space, trimmed, merged entry by entry by elected signs, within tasks' blocks."""
    rank = min(tasks.shape[1:]) // len(tasks)
    decomposed = [np.linalg.svd(task, full_matrices=False) for task in tasks]
    left = polar(np.hstack([each[0][:, :rank] for each in decomposed]))
    right = polar(np.vstack([each[2][:rank] for each in decomposed])).T
    size = rank * len(tasks)
    kept = []
    for task in tasks:
        inside = left.T @ low_rank(task, rank) @ right
        smallest = np.sort(np.abs(inside).ravel())[::-1][max(1, int(keep * size**2)) - 1]
        kept.append(np.where(np.abs(inside) >= smallest, inside, 0))
    merged = np.zeros((size, size))
    for row in range(size):
        for column in range(size):
            entries = [each[row, column] for each in kept]
            sign = np.sign(sum(entries))
            agreeing = [entry for entry in entries if entry != 0 and np.sign(entry) == sign]
            if agreeing and row // rank == column // rank:
                merged[row, column] = np.mean(agreeing)
    return left @ merged @ right.T


def svc(merged: np.ndarray, tasks: np.ndarray, alpha: float) -> np.ndarray:
    """Every singular value over the mean of max(alpha, s) of the tasks' responses to its left vector."""
    left, values, right = np.linalg.svd(merged, full_matrices=False)
    calibrated = np.zeros_like(merged)
    for index, value in enumerate(values):
        shares = []
        for task in tasks:
            response = left[:, index] @ task
            shares.append(max(alpha, (left[:, index] @ merged) @ response / (response @ response)))
        calibrated += value / np.mean(shares) * np.outer(left[:, index], right[index])
    return calibrated
