"""Linear layers merged so that their outputs come closest to the experts': the normal equations that methods share.

RegMean, RegMean++, LOT Merging and MaTS all minimise ``sum_t |X_t (W - W_t)^T|^2`` over the weights ``W`` of a layer,
with ``X_t`` its inputs on images of task ``t``, and so solve ``(sum_t X_t^T X_t) W^T = sum_t X_t^T X_t W_t^T``. As the
experts share the pre-trained weights, it is solved for task vectors in place of weights. The methods differ in where
inner products come from, in whether those of different inputs are shrunk, and in the solver.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from remerge.checkpoints.weights import Weights
from remerge.errors import ParameterError

# What must be left of an input's square when the other inputs have explained it; below lies float32's rounding.
UNEXPLAINED = 1e-5

Solver = Callable[[str, Tensor, Tensor], Tensor]
"""Solves ``left @ x = right``, given the layer's name, ``[inputs, inputs]`` and ``[inputs, outputs]``, in float64."""


def merge_layers(
    task_vectors: Sequence[Weights], products: Sequence[Weights], solver: Solver, off_diagonal: float = 1.0
) -> dict[str, Tensor]:
    """Return a merged task vector: least squares where there are inner products, and the mean of everything else.

    Args:
        task_vectors: One per task.
        products: Inner products of every task by the name of a weight: ``[inputs, inputs]`` of a matrix or, of a vector
            that scales its inputs one by one, ``[inputs]``, their squares alone.
        solver: Solves the normal equations of a matrix.
        off_diagonal: Factor of the inner products between different inputs, in (0, 1].

    Raises:
        ParameterError: See the solver.
    """
    merged = {}
    for key in task_vectors[0]:
        vectors = [vector[key] for vector in task_vectors]
        if key not in products[0]:
            merged[key] = torch.stack(vectors).mean(dim=0)
            continue
        grams = [gram[key].double() for gram in products]
        if grams[0].ndim == 1:
            right = torch.stack([gram * vector.double() for gram, vector in zip(grams, vectors, strict=True)]).sum(
                dim=0
            )
            left = torch.stack(grams).sum(dim=0)
            # A channel that is always zero decides nothing: its scale stays the pre-trained one.
            merged[key] = torch.where(left > 0, right / left, 0.0).to(vectors[0].dtype)
            continue
        grams = [shrunk(gram, off_diagonal) for gram in grams]
        # As W = W0 + tau for every task, and W0 is shared, the solution is W0 plus that of the task vectors.
        right = torch.stack([gram @ vector.double().T for gram, vector in zip(grams, vectors, strict=True)]).sum(dim=0)
        merged[key] = solver(key, torch.stack(grams).sum(dim=0), right).T.to(vectors[0].dtype).contiguous()
    return merged


def shrunk(gram: Tensor, off_diagonal: float) -> Tensor:
    """Return inner products ``[inputs, inputs]``, those of different inputs times a factor."""
    return off_diagonal * gram + (1 - off_diagonal) * torch.diag(gram.diagonal())


def unique(key: str, left: Tensor, right: Tensor) -> Tensor:
    """Return the single solution of a layer's normal equations; see :data:`Solver`.

    Raises:
        ParameterError: The layer's inputs depend on each other, so that there are several.
    """
    # An input that is always zero decides nothing: its weights stay the pre-trained ones.
    left.diagonal()[left.diagonal() == 0] = 1.0
    factor, failed = torch.linalg.cholesky_ex(left)
    if failed or (factor.diagonal().square() < UNEXPLAINED * left.diagonal()).any():
        raise ParameterError(
            f"the inputs of {key} depend on each other, and their least squares have no single solution; "
            "set `off_diagonal` below 1 or take more `images`"
        )
    return torch.cholesky_solve(right, factor)


def shortest(key: str, left: Tensor, right: Tensor, precision: torch.dtype = torch.float32) -> Tensor:
    """Return the shortest solution of a layer's normal equations, by the pseudo-inverse; see :data:`Solver`.

    It has nothing in the directions that no image reached: there, weights stay the pre-trained ones.

    Args:
        key: The layer's name.
        left: Inner products, ``[inputs, inputs]``.
        right: ``[inputs, outputs]``.
        precision: What inner products were rounded to. Directions whose inner products are within its rounding errors
            count as unreached, by the rule of :func:`torch.linalg.pinv`.
    """
    tolerance = len(left) * torch.finfo(precision).eps
    return torch.linalg.pinv(left, rtol=tolerance, hermitian=True) @ right


def conjugate_gradients(left: Tensor, right: Tensor, start: Tensor, iterations: int, tolerance: float = 1e-5) -> Tensor:
    """Return what some steps of conjugate gradients make of a first guess at a solution of normal equations.

    All outputs are one system of equations, as in the MaTS authors' code, so that they share the lengths of steps.

    Args:
        left: Inner products, float64 ``[inputs, inputs]``.
        right: float64 ``[inputs, outputs]``.
        start: The first guess, float64 ``[inputs, outputs]``.
        iterations: The most steps to take; with 0 the first guess is returned.
        tolerance: Residual, as a share of the norm of ``right``, below which no further step is taken.
    """
    from scipy.sparse.linalg import LinearOperator, cg

    if iterations == 0:
        return start
    matrix, shape = left.numpy(), right.shape
    operator = LinearOperator(
        (right.numel(), right.numel()), matvec=lambda flat: (matrix @ flat.reshape(shape)).ravel(), dtype=matrix.dtype
    )
    solution, _ = cg(operator, right.numpy().ravel(), x0=start.numpy().ravel(), maxiter=iterations, rtol=tolerance)
    return torch.from_numpy(solution).reshape(shape)
