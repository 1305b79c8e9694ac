"""First passes: sums over all entries of every tensor, for merge rules that depend on more than a tile's entries."""

from collections.abc import Callable, Sequence

from torch import Tensor

from remerge.checkpoints.weights import Weights
from remerge.merging.rules import MergeRule, Place
from remerge.merging.streaming import for_each_tile


def sums(
    task_vectors: Sequence[Weights],
    measure: Callable[[Place, Sequence[Tensor]], Tensor],
    rule: MergeRule | None = None,
) -> dict[str, Tensor]:
    """Add up what is measured of every tile, tensor by tensor; the order of threads does not change the sums.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        measure: Called with a tile's place and every task's entries, ``[n]`` each, from several threads at once;
            returns a tensor of the same shape for every tile.
        rule: A rule that ``measure`` calls: the places that it must see again are measured anew. After that it merges
            every tile for good, in one pass.

    Returns:
        float64 sums by the tensors' names; tensors without entries are left out.
    """
    measured: dict[Place, Tensor] = {}

    def work(place: Place, entries: Sequence[Tensor]) -> None:
        measured[place] = measure(place, entries).double()

    for_each_tile(work, task_vectors)
    if rule:
        for_each_tile(work, task_vectors, rule.repeat())
    totals: dict[str, Tensor] = {}
    for place in sorted(measured, key=lambda place: (place.key, place.begin)):
        total = totals.get(place.key)
        totals[place.key] = measured[place] if total is None else total + measured[place]
    return totals
