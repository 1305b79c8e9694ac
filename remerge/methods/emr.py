"""EMR-Merging: one elected task vector, and for every task a mask and a rescaler of it (arXiv:2405.17461, section 3.2).

As the authors' code does it (harveyhuang18/EMR_Merging): where task vectors cancel exactly, the negative sign is
elected, and the rescaler divides sums over tensors of mean magnitudes; the paper's divides sums over all entries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.merging.rules import MergeRule, Place
from remerge.methods.parameters import Method, parameter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from remerge.checkpoints.weights import Weights

Rescaler = Literal["tensors", "entries"]


@dataclass(frozen=True, kw_only=True)
class Emr(Method):
    """One elected task vector, and for every task a mask and a rescaler of it (arXiv:2405.17461)."""

    algorithm: Literal["emr"]
    rescaler: Rescaler = parameter(
        "tensors",
        description="What the rescaler keeps of each task vector: the sum over `tensors` of the mean magnitude, as the "
        "authors' code does, or the sum over `entries` of the magnitude, as the paper says.",
    )


class Elected(MergeRule):
    """The sign of the tasks' sum, with the largest magnitude among the tasks that have it."""

    def __call__(self, place: Place, entries: Sequence[Tensor]) -> Tensor:
        """Return the elected entries."""
        import torch

        stacked = torch.stack(list(entries))
        above, below = stacked.amax(dim=0).clamp_(min=0), stacked.amin(dim=0).clamp_(max=0)
        return torch.where(stacked.sum(dim=0) > 0, above, below)


def parts(
    pretrained: Weights, task_vectors: Mapping[str, Weights], rescaler: Rescaler, device: str = "cpu"
) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """Return the pre-trained weights with the elected task vector, and by task its mask and rescaler.

    Args:
        pretrained: The weights that task vectors start from.
        task_vectors: By task, with the same keys and shapes.
        rescaler: See :class:`Emr`.
        device: Passed on to :func:`remerge.merging.streaming.merged_by`.

    Raises:
        RemergeError: A task vector holds NaN or infinity.
    """
    from remerge.merging.masked import part_weights, shared_weights
    from remerge.merging.streaming import merged_by

    elected = merged_by(Elected(), list(task_vectors.values()), device)
    made = {}
    for task, vector in task_vectors.items():
        masks, before, after = {}, 0.0, 0.0
        for key, unified in elected.items():
            tensor = vector[key]
            # The product of two small entries would vanish.
            masks[key] = tensor.sign() * unified.sign() > 0
            entries = tensor.numel() if rescaler == "tensors" else 1
            before += float(tensor.double().abs().sum()) / entries
            after += float((unified.double().abs() * masks[key]).sum()) / entries
        # Nothing is left of a task vector without entries, whatever the scale.
        made[task] = part_weights(masks, before / after if after else 1.0)
    return shared_weights(pretrained, elected), made
