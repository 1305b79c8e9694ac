"""SMILE: in every linear layer each token takes one low-rank expert (arXiv:2408.10174, section 4).

As FusionBench does it (``smile_upscaling``): a token takes the expert in whose first right singular vectors its input
is longest, with weight one; everything but linear layers stays pre-trained. Query, key and value are layers of their
own, as in FusionBench's checkpoints, although open_clip stores them as one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.methods.parameters import Method, parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from remerge.checkpoints.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Smile(Method):
    """In every linear layer each token takes one low-rank expert (arXiv:2408.10174)."""

    algorithm: Literal["smile"]
    rank: int = parameter(32, ge=1, description="Rank of the experts.")
    gate_rank: int = parameter(
        16, ge=1, description="Right singular vectors that tokens are routed by; at most `rank`."
    )

    @property
    def svd_layout(self) -> str:
        """A matrix each."""
        return "split"


def parts(
    pretrained: Weights, task_vectors: Mapping[str, Weights], rank: int, gate_rank: int, device: str = "cpu"
) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """Return the pre-trained weights, and by task the experts of its linear layers.

    Args:
        pretrained: The weights that task vectors start from.
        task_vectors: By task, with the same keys and shapes.
        rank: See :class:`Smile`.
        gate_rank: See :class:`Smile`.
        device: Where to decompose.

    Raises:
        RemergeError: A task vector holds NaN or infinity.
    """
    from remerge.merging.routed import expert_weights
    from remerge.merging.streaming import check_finite

    vectors = list(task_vectors.values())
    for key in vectors[0]:
        check_finite(vectors, key)
    experts = {task: expert_weights(vector, rank, gate_rank, device) for task, vector in task_vectors.items()}
    return dict(pretrained), experts
