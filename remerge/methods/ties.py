"""TIES-Merging: trim, elect sign, disjoint merge (arXiv:2306.01708, section 4 and algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.errors import ParameterError
from remerge.merging.rules import Merge, MergeRule, Scope
from remerge.methods.parameters import Method, Scaling, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remerge.checkpoints.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Ties(Method):
    """TIES-Merging: trim, elect sign, disjoint merge (arXiv:2306.01708)."""

    trims = True

    algorithm: Literal["ties"]
    keep: float = parameter(0.2, gt=0, le=1, description="Share of each task vector's entries that survive trimming.")
    merge: Merge = parameter(
        "sum",
        description="Disjoint merge: `sum` as in AdaMerging's comparisons, `mean` as in the TIES paper, or `max`.",
    )
    scaling: Scaling = parameter(0.3, description="The merging coefficient lambda.")
    scope: Scope = parameter(
        "vector",
        description="What `keep` is a share of: the whole flattened task `vector`; the same without tensors in which "
        "no task moved (`trained`); or each `tensor` by itself.",
    )


def merge_rule(
    task_vectors: Sequence[Weights],
    keep: float = 0.2,
    merge: Merge = "sum",
    scope: Scope = "vector",
    frozen_entries: int = 0,
) -> MergeRule:
    """Return the method as a merge rule.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        keep: Share of entries that survive trimming, in (0, 1]; the paper's top-k % is 0.2.
        merge: Disjoint merge by ``sum`` (as AdaMerging's comparisons), ``mean`` over the entries that agree
            (the paper's), or the ``max`` magnitude.
        scope: What ``keep`` is a share of: see :func:`remerge.merging.ties.trim_thresholds`.
        frozen_entries: See :func:`remerge.merging.ties.trim_thresholds`.

    Raises:
        ParameterError: ``keep``, ``merge`` or ``scope`` is out of range.
    """
    from remerge.merging.ties import TiesRule, trim_thresholds

    if merge not in ("sum", "mean", "max"):
        raise ParameterError(f"merge must be 'sum', 'mean' or 'max', got {merge!r}")
    return TiesRule(trim_thresholds(task_vectors, keep, scope, frozen_entries), merge)
