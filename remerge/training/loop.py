"""Parts of training loops: learning rates, and states from which an interrupted run continues."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from remerge.errors import RemergeError
from remerge.run.resume import Progress


def warmup_cosine(step: int, steps: int, warmup: int) -> float:
    """Learning-rate factor: linear warm-up, then cosine decay to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def resumed(progress: Progress | None, parts: Mapping[str, Any]) -> int:
    """Restore the state of an interrupted training run, and return the step to continue with."""
    kept = progress.load() if progress else None
    if kept is None:
        return 0
    for name, part in parts.items():
        part.load_state_dict(kept[name])
    return int(kept["step"])


def keep(progress: Progress | None, step: int, parts: Mapping[str, Any]) -> None:
    """Save the state of a training run, if it is time."""
    if progress:
        progress.save(lambda: {"step": step, **{name: part.state_dict() for name, part in parts.items()}})


def finite(loss: Tensor, step: int) -> float:
    """Return the loss of a step.

    Raises:
        RemergeError: It is not finite.
    """
    value = loss.item()
    if not math.isfinite(value):
        raise RemergeError(f"the loss is {value} at step {step}; lower the learning_rate in training")
    return value
