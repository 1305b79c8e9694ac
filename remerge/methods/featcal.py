"""FeatCal: another merge, calibrated block by block to bring its features to the experts' (arXiv:2605.13030).

As the authors' code does it (egangu/featcal), with which its published numbers were measured. With ``x_s`` the inputs
of a layer within the merged encoder, whose blocks before are calibrated, ``x_e`` those within expert ``t``, on images
of task ``t``, and ``n_t`` the norm of ``E[x_s x_s^T]``::

    x_T = alpha x_e + (1 - alpha) x_s                 A = W_0 + rho (W_merged - W_0)
    (sum_t E[x_s x_s^T] / n_t + ridge I) W^T = sum_t E[x_s x_T^T] W_t^T / n_t + ridge A^T
    b = (sum_t (b_t + W_t E[x_T] - W E[x_s]) / n_t + ridge A_b) / (sum_t 1 / n_t + ridge)

Scale and shift of a layer normalisation solve two such equations per channel, on its normalised inputs. In the last
block, positions other than the class's weigh 0.01, except for attention's keys and values. Layers of a block are solved
from one pass, and everything outside of blocks stays as merged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from remerge.methods.parameters import Around, StatisticsMethod, parameter
from remerge.methods.plug_ins import PlugIn, wrapped_merge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from remerge.checkpoints.weights import Weights
    from remerge.merging.exemplars import Exemplars


@dataclass(frozen=True, kw_only=True)
class FeatCal(StatisticsMethod, PlugIn):
    """Another merge, calibrated block by block to the experts' features (arXiv:2605.13030)."""

    algorithm: Literal["featcal"]
    around: Around = parameter(
        {"algorithm": "task_arithmetic"}, description="The method whose merge is calibrated, as for `lines`."
    )
    initial: float = parameter(0.3, ge=0, description="The merging coefficient of that merge.")
    alpha: float = parameter(
        0.25,
        ge=0,
        le=1,
        description="Share of the expert's inputs in those that its layers' outputs are taken at. Authors' code: 0.25; "
        "paper: 0.3.",
    )
    rho: float = parameter(
        2.2,
        ge=0,
        description="The anchor is the pre-trained weights plus this times the merged task vector. Authors' code: 2.2; "
        "paper: 2.0.",
    )
    ridge: float = parameter(0.05, gt=0, description="The weight of the anchor.")


def merge(
    task_vectors: Mapping[str, Weights],
    exemplars: Exemplars,
    *,
    around: Mapping[str, Any],
    initial: float,
    alpha: float,
    rho: float,
    ridge: float,
) -> dict[str, Tensor]:
    """Return the merged task vector.

    Args:
        task_vectors: By task.
        exemplars: Images of these tasks, and the encoder to run.
        around: The method whose merge is calibrated; see :func:`remerge.methods.plug_ins.wrapped_rule`.
        initial: Its merging coefficient.
        alpha: Share of the expert's inputs in those that its layers' outputs are taken at.
        rho: How far the anchor is from the pre-trained weights, relative to the merge.
        ridge: The weight of the anchor.
    """
    from remerge.merging.blocks import blocks_of, set_weights, states_before_blocks, through, within
    from remerge.merging.feature_calibration import calibrated, statistics, with_weights
    from remerge.merging.task_vectors import apply_task_vector

    encoder, pretrained, vectors = exemplars.encoder, exemplars.pretrained, list(task_vectors.values())
    merged = wrapped_merge(vectors, around, initial)
    theirs = []
    for task, vector in task_vectors.items():
        set_weights(encoder, pretrained, vector)
        theirs.append(states_before_blocks(encoder, exemplars.inputs(task)))
    set_weights(encoder, pretrained, merged)
    ours = [states_before_blocks(encoder, exemplars.inputs(task)) for task in task_vectors]
    blocks = list(blocks_of(encoder))
    for name, block in blocks:
        start, is_last = within(pretrained, name), name == blocks[-1][0]
        experts = [apply_task_vector(start, within(vector, name), 1.0) for vector in vectors]
        found = []
        for place, weights in enumerate(experts):
            expert = with_weights(block, weights)
            found.append(statistics(block, expert, (ours[place], theirs[place]), alpha, is_last))
            theirs[place] = through(expert, theirs[place])
        anchor = apply_task_vector(start, within(merged, name), rho)
        weights = calibrated(anchor, experts, found, ridge)
        block.load_state_dict(weights)
        ours = [through(block, states) for states in ours]
        merged |= {name + key: tensor.to(start[key].dtype) - start[key] for key, tensor in weights.items()}
    return merged
