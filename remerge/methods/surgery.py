"""Representation Surgery: a small adapter for each task after a merged encoder (arXiv:2402.02705, section 4).

As the authors' code does it (EnnengYang/RepresentationSurgery): the distance is that of features before they are
normalised, and every task's adapter takes every step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from remerge.methods.parameters import Method, MethodName, parameter

if TYPE_CHECKING:
    from torch import Tensor, nn

    from remerge.images.store import ImageSet


@dataclass(frozen=True, kw_only=True)
class Surgery(Method):
    """A small adapter for each task after the encoder of another method (arXiv:2402.02705)."""

    algorithm: Literal["surgery"]
    around: MethodName = parameter(description="The name of the method under `methods` whose merged encoder it adapts.")
    rank: int = parameter(16, ge=1, description="Rank of the adapters.")
    steps: int = parameter(500, ge=1, description="Adam steps of every task's adapter.")
    learning_rate: float = parameter(1e-3, gt=0, description="Adam's learning rate.")
    batch_size: int = parameter(16, ge=1, description="Unlabeled test images per task and step.")

    @property
    def adapts(self) -> str:
        """The method whose merged encoder is adapted."""
        return self.around

    def learning_parameters(self) -> dict[str, Any]:
        """The parameters that adapters depend on, beside the encoder that they follow."""
        return {name: value for name, value in self.parameters().items() if name != "around"}


def learn(
    encoder: nn.Module, expert: nn.Module, images: ImageSet, *, seed: int, device: str = "cpu", **parameters: Any
) -> dict[str, Tensor]:
    """Return one task's adapter, learned on unlabeled images; see :func:`remerge.merging.adapted.learn_adapter`."""
    from remerge.merging.adapted import learn_adapter

    return learn_adapter(encoder, expert, images, seed=seed, device=device, **parameters)
