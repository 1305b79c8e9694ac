"""MaTS: some steps of conjugate gradients from another merge towards RegMean's solution (arXiv:2312.04339, section 4).

The objective is the paper's for linear layers, that of RegMean: ``sum_t C_t W^T = sum_t C_t W_t^T`` with ``C_t`` the
inner products of the layer's inputs. The start and the few steps regularise. As in the authors' code (r-three/mats,
``conjugateGradient_fisherMerging.py``), steps are SciPy's, all outputs of a layer are one system of equations, inner
products are not shrunk by default, and everything but the weights of linear layers is averaged. The defaults are those
of the authors' commands for this objective and whole models: 100 steps from Task Arithmetic at 0.3.

The authors also solve with block-diagonal Fisher information (K-FAC) in place of inner products, which is not offered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from remerge.methods import regmean
from remerge.methods.parameters import Around, StatisticsMethod, parameter
from remerge.methods.plug_ins import PlugIn, wrapped_merge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from remerge.checkpoints.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Mats(StatisticsMethod, PlugIn):
    """Conjugate gradients from another merge towards least squares (arXiv:2312.04339)."""

    algorithm: Literal["mats"]
    around: Around = parameter(
        {"algorithm": "task_arithmetic"}, description="The method whose merge is the first guess, as for `lines`."
    )
    initial: float = parameter(0.3, ge=0, description="The merging coefficient of the first guess.")
    iterations: int = parameter(100, ge=0, description="Steps of conjugate gradients, at most. Authors' commands: 100.")
    off_diagonal: float = parameter(
        1.0, gt=0, le=1, description="Factor of inner products between different inputs, as for `regmean`."
    )


statistics = regmean.statistics
"""As RegMean's: inner products of the inputs of an expert's linear layers."""


def merge(
    task_vectors: Sequence[Weights],
    products: Sequence[Weights],
    around: Mapping[str, Any],
    initial: float,
    iterations: int,
    off_diagonal: float,
) -> dict[str, Tensor]:
    """Return the merged task vector after some steps.

    Args:
        task_vectors: One per task.
        products: What ``statistics`` returned for each.
        around: The method whose merge is the first guess; see :func:`remerge.methods.plug_ins.wrapped_rule`.
        initial: Its merging coefficient.
        iterations: The most steps to take.
        off_diagonal: Factor of the inner products between different inputs, in (0, 1].
    """
    from remerge.merging.least_squares import conjugate_gradients, merge_layers

    start = wrapped_merge(task_vectors, around, initial)

    def solver(key: str, left: Tensor, right: Tensor) -> Tensor:
        return conjugate_gradients(left, right, start[key].double().T, iterations)

    return merge_layers(task_vectors, products, solver, off_diagonal)
