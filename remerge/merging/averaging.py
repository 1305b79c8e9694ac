"""Weight averaging: the mean of the fine-tuned models (Model soups, arXiv:2203.05482)."""

from collections.abc import Sequence

from torch import Tensor

from remerge.merging.streaming import Place, Rule
from remerge.weights import Weights


class Mean(Rule):
    """The mean over tasks; added with scaling 1 it gives the mean of the fine-tuned models."""

    def __call__(self, place: Place, tile: Tensor) -> Tensor:
        """Return the tile's mean."""
        return tile.mean(dim=0)


def rule(task_vectors: Sequence[Weights]) -> Rule:
    """Return the method as a rule."""
    return Mean()
