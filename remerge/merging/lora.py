"""Task vectors of LoRA adapters."""

from collections.abc import Callable

from torch import Tensor

from remerge.checkpoints.lora import Adapter
from remerge.checkpoints.weights import Weights, computing_dtype
from remerge.merging.streaming import Computed, Difference


def of_adapter(start: Weights, adapter: Adapter) -> Computed:
    """Return an adapter's task vector, each entry computed on access; it is zero wherever nothing was trained.

    Args:
        start: The pre-trained model, on the CPU; see :meth:`remerge.checkpoints.lora.Adapter.check_fits`.
        adapter: The adapter.
    """
    unchanged = Difference(start, start)
    replaced = Difference({key: start[key] for key in adapter.whole}, adapter.whole)

    def entries(key: str) -> Callable[[int, int], Tensor]:
        if change := adapter.low_rank.get(key):
            return change.entries(computing_dtype(start[key].dtype))
        return (replaced if key in adapter.whole else unchanged).entries(key)

    return Computed(unchanged, entries)
