"""First passes: what merge rules must know of whole tensors before they merge a tile of them."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from remerge.checkpoints.weights import Weights
from remerge.merging.rules import Place
from remerge.merging.streaming import for_each_tile


def over_tiles(
    task_vectors: Sequence[Weights],
    measure: Callable[[Place, Sequence[Tensor]], Tensor],
    combine: Callable[[Tensor, Tensor], Tensor] = torch.add,
) -> dict[str, Tensor]:
    """Combine what is measured of every tile, tensor by tensor, in an order that does not depend on threads.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        measure: Called with a tile's place and every task's entries, ``[n]`` each, from several threads at once;
            returns a tensor of the same shape for every tile, in float64 if it is to be added up.
        combine: Makes one tensor of two; ``torch.add`` gives sums, ``torch.maximum`` maxima.

    Returns:
        By a tensor's name; tensors without entries are left out.
    """
    # As Python's numbers: small tensors between a thread's large ones would keep freed memory from being used again.
    measured: dict[Place, tuple[torch.dtype, Any]] = {}

    def work(place: Place, entries: Sequence[Tensor]) -> None:
        found = measure(place, entries)
        measured[place] = found.dtype, found.tolist()

    for_each_tile(work, task_vectors)
    combined: dict[str, Tensor] = {}
    for place in sorted(measured, key=lambda place: (place.key, place.begin)):
        dtype, numbers = measured[place]
        found = torch.tensor(numbers, dtype=dtype)
        combined[place.key] = combine(combined[place.key], found) if place.key in combined else found
    return combined
