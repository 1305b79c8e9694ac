"""remerge: merge fine-tuned copies of one pre-trained encoder by arithmetic on their weights.

    import remerge

    merged = remerge.ties(pretrained, [finetuned_a, finetuned_b], keep=0.2, merge="mean", scaling=1.0)

Models are modules or state dicts; the merged model has the kind and dtype of the pre-trained one.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from remerge.models import merge, merge_by_coefficients, task_arithmetic, task_vector, ties, weight_averaging

__version__ = "0.1.0"
__all__ = ["merge", "merge_by_coefficients", "task_arithmetic", "task_vector", "ties", "weight_averaging"]


def __getattr__(name: str) -> Any:
    # Tables and figures import this package too, and must not wait for torch.
    if name in __all__:
        return getattr(importlib.import_module("remerge.models"), name)
    raise AttributeError(f"module 'remerge' has no attribute {name!r}")
