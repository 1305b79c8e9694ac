"""Weight averaging: the mean of the fine-tuned models (Model soups, arXiv:2203.05482)."""

from collections.abc import Sequence

from torch import Tensor

from remerge.checkpoints.weights import Weights
from remerge.merging.streaming import Place, Rule
from remerge.merging.task_arithmetic import Sum


class Mean(Sum):
    """The mean over tasks; added with scaling 1 it gives the mean of the fine-tuned models."""

    def __call__(self, place: Place, entries: Sequence[Tensor]) -> Tensor:
        """Return the entries' mean."""
        return super().__call__(place, entries).div_(len(entries))


def rule(task_vectors: Sequence[Weights]) -> Rule:
    """Return the method as a rule."""
    return Mean()
