"""APL-style merging: tensors kept and weighted by how much they lower the task's loss, to first order.

A port in the style of Activated Parameter Locating (arXiv:2408.09485), which is published for language models and
without code. From it come the importance of a part ``p`` of a task vector, the effect on the loss of putting it back to
its pre-trained values, approximated by the gradient, and the use of importance to drop parts and to weight them::

    s_tp = |<gradient of L_t at the pre-trained weights, tau_tp>|
    merged_p = T sum_t s_tp tau_tp / sum_t s_tp, over tasks whose p is among their most important

Ours are the parts, which are tensors; the rank by which they are dropped; and the weights, whose mean over tasks is 1,
so that equal importance gives Task Arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.methods.parameters import Scaling, StatisticsMethod, parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from remerge.checkpoints.weights import Weights
    from remerge.merging.exemplars import Exemplars


@dataclass(frozen=True, kw_only=True)
class AplStyle(StatisticsMethod):
    """Tensors by how much they lower the task's loss, to first order; a port in the style of arXiv:2408.09485."""

    algorithm: Literal["apl_style"]
    images: int = parameter(64, ge=1, description="Labelled validation images per task.")
    keep: float = parameter(0.8, gt=0, le=1, description="Share of tensors that each task keeps, the most important.")
    scaling: Scaling = parameter(0.3, description="The merging coefficient lambda.")


def merge(task_vectors: Mapping[str, Weights], exemplars: Exemplars, *, keep: float) -> dict[str, Tensor]:
    """Return the merged task vector.

    Args:
        task_vectors: By task.
        exemplars: Labelled images of these tasks, and the encoder to run.
        keep: Share of tensors that each task keeps.
    """
    import torch

    from remerge.merging.blocks import set_weights
    from remerge.merging.importance import first_order_effects

    set_weights(exemplars.encoder, exemplars.pretrained, {})
    importance = []
    for task, vector in task_vectors.items():
        images, labels = exemplars.inputs(task), exemplars.labels(task)
        effects = first_order_effects(exemplars.encoder, exemplars.heads[task], images, labels, vector)
        importance.append(_of_kept(effects, keep))
    merged = {}
    for key in importance[0]:
        # What matters to no task is dropped.
        total = sum(each[key] for each in importance) or 1.0
        vectors = torch.stack([vector[key] for vector in task_vectors.values()])
        weights = vectors.new_tensor([len(importance) * each[key] / total for each in importance])
        merged[key] = torch.tensordot(weights, vectors, dims=1)
    return merged


def _of_kept(effects: Mapping[str, float], keep: float) -> dict[str, float]:
    """The importance of the most important tensors, and 0 of the others."""
    ranked = sorted(effects, key=lambda key: -abs(effects[key]))
    kept = set(ranked[: max(1, round(keep * len(ranked)))])
    return {key: abs(effect) if key in kept else 0.0 for key, effect in effects.items()}
