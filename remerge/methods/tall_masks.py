"""TALL masks: one merged task vector, and for every task a mask of the entries that matter to it (arXiv:2405.07813).

Consensus merging keeps the entries that several of these masks have; here every task keeps its mask (section 4). The
authors choose each task's threshold from 0.2 to 0.6 on validation images; here all tasks have one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from remerge.methods.parameters import parameter
from remerge.methods.plug_ins import PlugIn, wrapped_rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from remerge.checkpoints.weights import Weights


@dataclass(frozen=True, kw_only=True)
class TallMasks(PlugIn):
    """Another method's merged task vector, and for every task a mask of it (arXiv:2405.07813)."""

    algorithm: Literal["tall_masks"]
    threshold: float = parameter(
        0.6,
        ge=0,
        description="An entry is kept for a task if its task vector is larger there than this times what the others "
        "add. Published: chosen for each task from 0.2 to 0.6 on validation images; FusionBench: 0.6.",
    )


def parts(
    pretrained: Weights,
    task_vectors: Mapping[str, Weights],
    around: Mapping[str, Any],
    threshold: float,
    device: str = "cpu",
) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """Return the pre-trained weights with the merged task vector, and by task its mask.

    Args:
        pretrained: The weights that task vectors start from.
        task_vectors: By task, with the same keys and shapes.
        around: The method that merges them; see :func:`remerge.methods.plug_ins.wrapped_rule`.
        threshold: See :class:`TallMasks`.
        device: Where the wrapped method merges matrices.

    Raises:
        ParameterError: A parameter of the wrapped method is out of range.
        RemergeError: A task vector holds NaN or infinity.
    """
    from remerge.merging.masked import part_weights, shared_weights
    from remerge.merging.streaming import merged_by

    vectors = list(task_vectors.values())
    merged = merged_by(wrapped_rule(vectors, around), vectors, device)
    made = {
        task: part_weights({key: mask(own[key], merged[key], threshold) for key in merged}, 1.0)
        for task, own in task_vectors.items()
    }
    return shared_weights(pretrained, merged), made


def mask(task: Tensor, merged: Tensor, threshold: float) -> Tensor:
    """Return which entries matter to a task: ``|task| > threshold * |merged - task|`` (section 4).

    Args:
        task: Entries of the task's vector.
        merged: Those of the merged task vector, of the same shape.
        threshold: The paper's lambda.
    """
    return task.abs() > threshold * (merged - task).abs()
