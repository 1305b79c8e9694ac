"""Task Arithmetic: the sum of the task vectors (arXiv:2212.04089, section 2)."""

from collections.abc import Sequence

from torch import Tensor

from remerge.checkpoints.weights import Weights
from remerge.merging.streaming import Place, Rule


class Sum(Rule):
    """The sum over tasks."""

    def __call__(self, place: Place, entries: Sequence[Tensor]) -> Tensor:
        """Return the entries' sum."""
        total = entries[0].clone()
        for own in entries[1:]:
            total += own
        return total


def rule(task_vectors: Sequence[Weights]) -> Rule:
    """Return the method as a rule."""
    return Sum()
