"""DPPA: task vectors pruned by magnitude, the larger of what is left amplified more (arXiv:2403.02799).

A port: the authors merge language models, and have published no numbers of image encoders. Pruning is that of their
code (northsky0307/DPPA, ``prune_mag_outlier_layer_wei``); other tensors than the weights of linear layers are not
pruned and are amplified like the largest entries. The authors choose the two ratios of every model by its accuracy on
development data; here all tasks have the same, and the sum has a coefficient besides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.errors import ParameterError
from remerge.methods.parameters import Method, Scaling, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remerge.checkpoints.weights import Weights
    from remerge.merging.rules import MergeRule


@dataclass(frozen=True, kw_only=True)
class Dppa(Method):
    """Task vectors pruned by magnitude, the larger of what is left amplified more; a port (arXiv:2403.02799)."""

    algorithm: Literal["dppa"]
    keep: float = parameter(0.2, gt=0, le=1, description="Share of entries that linear layers keep, on average.")
    core: float = parameter(
        0.1, gt=0, le=1, description="Share of the largest entries, which `core_ratio` amplifies; at most `keep`."
    )
    spread: float = parameter(
        0.08,
        ge=0,
        le=1,
        description="How far a layer's share may be from these for its block's outliers, and as far again for its own.",
    )
    ratio: float = parameter(
        1.0, ge=0, description="Factor of what is kept. Published: searched from 1 on development data."
    )
    core_ratio: float = parameter(
        1.8,
        ge=0,
        description="Factor of the largest entries, if larger than `ratio`. Published: searched from 1.8 on "
        "development data.",
    )
    scaling: Scaling = parameter(0.3, description="The merging coefficient lambda.")

    def __post_init__(self) -> None:
        """Check parameters against each other.

        Raises:
            ParameterError: ``core`` is larger than ``keep``.
        """
        if self.core > self.keep:
            raise ParameterError(f"`core` must be at most `keep`, got {self.core:g} and {self.keep:g}")


def merge_rule(
    task_vectors: Sequence[Weights],
    keep: float = 0.2,
    core: float = 0.1,
    spread: float = 0.08,
    ratio: float = 1.0,
    core_ratio: float = 1.8,
) -> MergeRule:
    """Return the method as a merge rule; see :func:`remerge.merging.partitions.partition_rule`."""
    from remerge.merging.partitions import partition_rule

    return partition_rule(task_vectors, keep, core, spread, ratio, core_ratio)
