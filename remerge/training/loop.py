"""The training loop, and its parts: learning rates, and states from which an interrupted run continues."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from remerge.errors import RemergeError
from remerge.run.progress import ProgressBar
from remerge.run.resume import Progress


def train(
    model: nn.Module,
    optimizers: Sequence[Optimizer],
    loss_of: Callable[[int], Tensor],
    *,
    steps: int,
    warmup: int | None = None,
    largest_norm: float | None = None,
    progress: Progress | None,
    shown: str,
) -> None:
    """Train a model in place, with linear warm-up and cosine decay of the learning rate to zero.

    Args:
        model: The model, in training mode.
        optimizers: What changes its parameters, at peak learning rates.
        loss_of: Returns the loss of a step, which depends on the model and the step's number alone.
        steps: Number of steps.
        warmup: Steps of linear warm-up; by default a twentieth of all, and one more.
        largest_norm: Norm to which gradients are clipped; by default they are not.
        progress: Saved state to resume from and to save to, if the work may be interrupted.
        shown: What the progress bar says.

    Raises:
        RemergeError: The loss is no longer a finite number.
    """
    first = steps // 20 + 1 if warmup is None else warmup
    schedules = [LambdaLR(optimizer, lambda step: _warmup_cosine(step, steps, first)) for optimizer in optimizers]
    parts: dict[str, Any] = {"model": model}
    parts |= {f"optimizer {k}": optimizer for k, optimizer in enumerate(optimizers)}
    parts |= {f"schedule {k}": schedule for k, schedule in enumerate(schedules)}
    begin = _resumed(progress, parts)
    with ProgressBar(total=steps, initial=begin, desc=shown, unit="step") as bar:
        for step in range(begin, steps):
            loss = loss_of(step)
            model.zero_grad(set_to_none=True)
            loss.backward()
            if largest_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), largest_norm)
            for optimizer, schedule in zip(optimizers, schedules, strict=True):
                optimizer.step()
                schedule.step()
            bar.update()
            if step % 10 == 0:
                bar.set_postfix(loss=f"{_finite(loss, step):.3f}")
            _keep(progress, step + 1, parts)


def _warmup_cosine(step: int, steps: int, warmup: int) -> float:
    """Learning-rate factor: linear warm-up, then cosine decay to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def _resumed(progress: Progress | None, parts: Mapping[str, Any]) -> int:
    """Restore the state of an interrupted training run, and return the step to continue with."""
    kept = progress.load() if progress else None
    if kept is None:
        return 0
    for name, part in parts.items():
        part.load_state_dict(kept[name])
    return int(kept["step"])


def _keep(progress: Progress | None, step: int, parts: Mapping[str, Any]) -> None:
    """Save the state of a training run, if it is time."""
    if progress:
        progress.save(lambda: {"step": step, **{name: part.state_dict() for name, part in parts.items()}})


def _finite(loss: Tensor, step: int) -> float:
    """Return the loss of a step.

    Raises:
        RemergeError: It is not finite.
    """
    value = loss.item()
    if not math.isfinite(value):
        raise RemergeError(f"the loss is {value} at step {step}; lower the learning_rate in training")
    return value
