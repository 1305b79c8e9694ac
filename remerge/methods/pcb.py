"""PCB-Merging: entries weighted by how they compete within and between task vectors (arXiv:2410.02396, section 3).

The authors publish three scripts that differ (duguodong7/pcb-merging): see :mod:`remerge.merging.competition`.
``pcb.py`` made the published numbers of encoders without a search; ``pcb_ES.py`` those with one coefficient per task,
searched on validation images, which is not done here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.merging.rules import MergeRule, Scope
from remerge.methods.parameters import Method, Scaling, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remerge.checkpoints.weights import Weights

Script = Literal["pcb", "pcb-merging", "pcb_ES"]


@dataclass(frozen=True, kw_only=True)
class Pcb(Method):
    """Entries weighted by how they compete within and between task vectors (arXiv:2410.02396)."""

    trims = True

    algorithm: Literal["pcb"]
    keep: float = parameter(0.05, gt=0, le=1, description="Share of each task vector's entries that have a weight.")
    script: Script = parameter(
        "pcb",
        description="The authors' script whose definition is taken: `pcb`, of the published numbers; `pcb-merging`, of "
        "their front page; or `pcb_ES`, of their search, which is not repeated.",
    )
    scaling: Scaling = parameter(1.2, description="The merging coefficient lambda.")
    scope: Scope = parameter("vector", description="What shares are of, as for `ties`.")


def merge_rule(
    task_vectors: Sequence[Weights],
    keep: float = 0.05,
    script: Script = "pcb",
    scope: Scope = "vector",
    frozen_entries: int = 0,
) -> MergeRule:
    """Return the method as a merge rule.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        keep: Share of entries that have a weight, in (0, 1].
        script: The authors' script whose definition is taken.
        scope: What quantiles are over: see :func:`remerge.merging.ties.trim_thresholds`.
        frozen_entries: See :func:`remerge.merging.ties.trim_thresholds`.

    Raises:
        ParameterError: A parameter is out of range.
    """
    from remerge.merging.competition import competition_rule

    return competition_rule(task_vectors, keep, script, scope, frozen_entries)
