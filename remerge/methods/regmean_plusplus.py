"""RegMean++: RegMean, block by block, on the states that the merged blocks before produce (arXiv:2508.03121).

As the authors' code does it, which is FusionBench's (nthehai01/RegMean-plusplus, ``regmean_plusplus.py``)::

    embeddings and ln_pre: the mean of the experts'
    for every block: collect inner products within each expert's block, run on its task's images as the merged blocks
        before left them; merge the block by RegMean; run the merged block

Everything after the last block stays pre-trained in the code (FusionBench's experts share the output projection with
the pre-trained encoder, and ``ln_post`` is passed over), while RegMean averages it: ``others`` says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remerge.merging.matrices import Others
from remerge.methods.parameters import StatisticsMethod, parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from remerge.checkpoints.weights import Weights
    from remerge.merging.exemplars import Exemplars


@dataclass(frozen=True, kw_only=True)
class RegMeanPlusPlus(StatisticsMethod):
    """RegMean, block by block, on the merged encoder's states (arXiv:2508.03121)."""

    algorithm: Literal["regmean_plusplus"]
    off_diagonal: float = parameter(
        0.95, gt=0, le=1, description="Factor of inner products between different inputs. Published: 0.95."
    )
    others: Others = parameter(
        "zero",
        description="What becomes of tensors after the last block: they stay pre-trained (`zero`), as in the authors' "
        "code, or their task vectors' `mean`, as RegMean has it, or `sum` is added.",
    )


def merge(
    task_vectors: Mapping[str, Weights], exemplars: Exemplars, *, off_diagonal: float, others: Others
) -> dict[str, Tensor]:
    """Return the merged task vector.

    Args:
        task_vectors: By task.
        exemplars: Images of these tasks, and the encoder to run.
        off_diagonal: See :func:`remerge.methods.regmean.merge`.
        others: What becomes of tensors after the last block.

    Raises:
        ParameterError: With ``off_diagonal`` 1, a layer's inputs depend on each other linearly.
    """
    from remerge.merging.blocks import before_blocks, blocks_of, set_weights, states_before_blocks, through, within
    from remerge.merging.inner_products import inner_products
    from remerge.merging.matrices import merge_others
    from remerge.methods import regmean

    encoder, pretrained, vectors = exemplars.encoder, exemplars.pretrained, list(task_vectors.values())
    merged = {
        key: merge_others("mean" if before_blocks(key) else others, [vector[key] for vector in vectors])
        for key in vectors[0]
        if not key.startswith("transformer.")
    }
    set_weights(encoder, pretrained, merged)
    states = [states_before_blocks(encoder, exemplars.inputs(task)) for task in task_vectors]
    for name, block in blocks_of(encoder):
        start, of_tasks = within(pretrained, name), [within(vector, name) for vector in vectors]
        products = []
        for vector, own in zip(of_tasks, states, strict=True):
            set_weights(block, start, vector)
            products.append(inner_products(block, own))
        of_block = regmean.merge(of_tasks, products, off_diagonal)
        set_weights(block, start, of_block)
        states = [through(block, own) for own in states]
        merged |= {name + key: tensor for key, tensor in of_block.items()}
    return {key: merged[key] for key in vectors[0]}
