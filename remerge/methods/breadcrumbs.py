"""Model Breadcrumbs: neither the largest nor the smallest entries of every task vector (arXiv:2312.06795, section 3).

The paper masks layer by layer. The authors' code (rezazzr/breadcrumbs, ``TaskVectorMiddleKeep``), which made the
published curves, masks row by row: it ranks entries along a tensor's last dimension. Of every row it drops the largest
share, then keeps the largest share of the rest; a row too short for a whole entry of the latter is dropped. Here,
entries that tie with the first or the last kept are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.errors import ParameterError
from remerge.merging.rules import MergeRule
from remerge.methods.parameters import Method, Scaling, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remerge.checkpoints.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Breadcrumbs(Method):
    """The sum of the task vectors without their largest and smallest entries (arXiv:2312.06795)."""

    algorithm: Literal["breadcrumbs"]
    keep: float = parameter(
        0.15,
        gt=0,
        le=1,
        description="Share of entries that are kept, below those that `drop` drops; the authors' beta. Published: "
        "searched from 0.05 to 0.2, first 0.15.",
    )
    drop: float = parameter(
        0.006,
        ge=0,
        lt=1,
        description="Share of the largest entries that are dropped; the authors' gamma. Published: searched from 0.001 "
        "to 0.01, first 0.006.",
    )
    scaling: Scaling = parameter(0.2, description="The merging coefficient lambda.")
    scope: Literal["row", "tensor"] = parameter(
        "row",
        description="What `keep` and `drop` are shares of: each `row` of a tensor, as in the authors' code and its "
        "published curves, or each `tensor`, as the paper says.",
    )


def merge_rule(
    task_vectors: Sequence[Weights], keep: float = 0.15, drop: float = 0.006, scope: Literal["row", "tensor"] = "row"
) -> MergeRule:
    """Return the method as a merge rule.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        keep: Share of entries that are kept, in (0, 1].
        drop: Share of the largest entries that are dropped before, in [0, 1).
        scope: What both are shares of; a tensor of one dimension is one row.

    Raises:
        ParameterError: A parameter is out of range.
    """
    from remerge.merging.bands import BandRule, bands

    if scope not in ("row", "tensor"):
        raise ParameterError(f"scope must be 'row' or 'tensor', got {scope!r}")
    if not (0 < keep <= 1 and 0 <= drop < 1):
        raise ParameterError(f"keep must be in (0, 1] and drop in [0, 1), got {keep!r} and {drop!r}")
    return BandRule([bands(vector, keep, drop, scope == "row") for vector in task_vectors])
