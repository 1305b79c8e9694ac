"""Consensus: only entries of the merged task vector that several tasks need (arXiv:2405.07813, section 4.2).

Around Task Arithmetic or TIES-Merging, Consensus Task Arithmetic and Consensus TIES. A task needs an entry if its mask
(:func:`remerge.methods.tall_masks.mask`) has it. As in the authors' code (nik-dim/tall_masks), ``merged`` is what the
wrapped method merges before scaling, and the task vectors are whole even around TIES. The authors choose the
threshold for every task from 0.2, 0.3, ..., 0.6, and the scaling, on validation images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from remerge.merging.rules import Around, MergeRule, Place
from remerge.methods.parameters import Scaling, parameter
from remerge.methods.plug_ins import PlugIn, wrapped_rule
from remerge.methods.tall_masks import mask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from remerge.checkpoints.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Consensus(PlugIn):
    """Only the entries of another method's merged task vector that several tasks need (arXiv:2405.07813)."""

    algorithm: Literal["consensus"]
    needed_by: int = parameter(
        2, ge=0, description="How many tasks must need an entry for it to stay. 0: the wrapped method unchanged."
    )
    threshold: float = parameter(
        0.6,
        ge=0,
        description="A task needs an entry whose magnitude is more than this times its distance from the merged one. "
        "FusionBench: 0.6; published: chosen for every task from 0.2 to 0.6 on validation images.",
    )
    scaling: Scaling = parameter(0.3, description="The merging coefficient lambda.")


class Needed(Around):
    """The wrapped rule's merge, without entries that too few tasks need."""

    def __init__(self, rule: MergeRule, needed_by: int, threshold: float) -> None:
        super().__init__(rule)
        self.needed_by = needed_by
        self.threshold = threshold

    def after(self, place: Place, merged: Tensor, entries: Sequence[Tensor]) -> Tensor:
        """Return merged entries with zeros in place of those that too few tasks need."""
        needed = sum(mask(task, merged, self.threshold).int() for task in entries)
        return merged.mul_(needed >= self.needed_by)


def merge_rule(
    task_vectors: Sequence[Weights], around: Mapping[str, Any], needed_by: int = 2, threshold: float = 0.6
) -> MergeRule:
    """Return the method as a merge rule.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        around: The method that it wraps; see :func:`remerge.methods.plug_ins.wrapped_rule`.
        needed_by: How many tasks must need an entry for it to stay.
        threshold: The masks' lambda, the same for all tasks.
    """
    return Needed(wrapped_rule(task_vectors, around), needed_by, threshold)
