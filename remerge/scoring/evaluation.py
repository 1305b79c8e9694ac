"""Counting correct predictions."""

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn

from remerge.clip.encoders import to_input
from remerge.clip.heads import logits
from remerge.errors import RemergeError
from remerge.images.store import ImageSet
from remerge.run.devices import out_of_memory
from remerge.run.progress import ProgressBar
from remerge.scoring.answers import pack_classes, pack_right

NOT_FINITE = (
    "images {} to {}: the encoder's features in {} are NaN or infinite; look for such entries in its weights, or score "
    "in float32 (scoring.precision)"
)

# Images per task on which a shorter precision is compared with float32.
COMPARED = 512

EncoderFor = Callable[[str], nn.Module]
"""Returns the encoder for a task, valid until the next call, as :meth:`remerge.merging.merged.Merged.encoder_for`."""


def same_for_all(encoder: nn.Module) -> EncoderFor:
    """Return a function that returns the same encoder for every task."""
    return lambda task: encoder


@torch.inference_mode()
def predictions(
    encoder: nn.Module,
    head: Tensor,
    images: npt.NDArray[np.uint8],
    *,
    device: str = "cpu",
    batch_size: int = 256,
    precision: str = "float32",
) -> Tensor:
    """Return the class that encoder and zero-shot head predict for every image.

    Args:
        encoder: Image encoder, on ``device``.
        head: float32 ``[features, classes]``.
        images: uint8 ``[n, height, width, 3]``.
        device: Where the encoder is.
        batch_size: Images per forward pass; halved while the device's memory is too small.
        precision: ``float32``, or ``bfloat16`` for forward passes under autocast.

    Returns:
        int64 ``[n]``, on the CPU.

    Raises:
        RemergeError: A feature is NaN or infinite, so that the predicted class would be arbitrary.
    """
    scores = logits_in_parts(encoder, head, images, device=device, batch_size=batch_size, precision=precision)
    return torch.cat([torch.empty(0, dtype=torch.int64), *(each.argmax(dim=1).cpu() for _, each in scores)])


def logits_in_parts(
    encoder: nn.Module,
    head: Tensor,
    images: npt.NDArray[np.uint8],
    *,
    device: str,
    batch_size: int,
    precision: str = "float32",
) -> Iterator[tuple[slice, Tensor]]:
    """Yield the indices of the next images and their logits, float32 ``[batch, classes]`` on ``device``.

    See :func:`predictions` for the arguments.
    """
    head = head.to(device)
    start = 0
    while start < len(images):
        batch = torch.from_numpy(images[start : start + batch_size])
        try:
            with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bfloat16"):
                features = encoder(to_input(batch.to(device)))
            if not features.isfinite().all():
                raise RemergeError(NOT_FINITE.format(start, start + len(batch), precision))
            scores = logits(features.float(), head)
        except RuntimeError as error:
            if batch_size == 1 or not out_of_memory(error):
                raise
            batch_size //= 2
            print(f"out of memory: going on with {batch_size} images at a time", file=sys.stderr)
            continue
        yield slice(start, start + len(batch)), scores
        start += len(batch)


def score_encoder(
    encoder_for: EncoderFor,
    heads: Mapping[str, Tensor],
    image_sets: Mapping[str, ImageSet],
    *,
    device: str = "cpu",
    batch_size: int = 256,
    precision: str = "float32",
    progress: bool = True,
    answers: bool = False,
) -> pd.DataFrame:
    """Score the encoder for each task on the task's images, if it has any.

    Args:
        encoder_for: Returns the image encoder for a task, ``[n, 3, height, width]`` to ``[n, d]``.
        heads: Per task, float32 ``[d, classes]``.
        image_sets: Images and labels per task.
        device: Where to run.
        batch_size: Images per forward pass.
        precision: See :func:`predictions`.
        progress: Whether to show a progress bar.
        answers: Whether to return the prediction for every image.

    Returns:
        Columns ``task``, ``correct`` and ``n``, in the order of ``image_sets``; with ``answers`` also ``right`` and
        ``predicted``, packed by :mod:`remerge.scoring.answers`; with a precision other than float32 also ``compared``,
        the number of first images of the task that were compared, and ``agree``, how many of these float32 predicts
        the same.

    Raises:
        RemergeError: A feature is NaN or infinite; the message names the task.
    """
    _tell(precision, batch_size)
    rows = []
    for task, image_set in ProgressBar(image_sets.items(), desc="score", unit="task", disable=not progress):
        if not len(image_set):
            print(f"{task}: not scored: {image_set.missing}", file=sys.stderr)
            continue
        encoder = encoder_for(task).to(device).eval()
        predict = partial(predictions, encoder, heads[task], device=device, batch_size=batch_size)
        try:
            predicted = predict(image_set.images, precision=precision)
        except RemergeError as error:
            raise RemergeError(f"{task}: {error}") from error
        right = predicted.numpy() == image_set.labels
        row: dict[str, object] = {"task": task, "correct": int(right.sum()), "n": len(image_set)}
        if answers:
            row |= {"right": pack_right(right), "predicted": pack_classes(predicted.numpy())}
        if precision != "float32":
            first = image_set.images[:COMPARED]
            row |= {"compared": len(first), "agree": int((predict(first) == predicted[:COMPARED]).sum())}
        rows.append(row)
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["task", "correct", "n"], dtype=int)


@cache
def _tell(precision: str, batch_size: int) -> None:
    """Print it once, however many encoders a job scores."""
    print(f"scoring: {precision}, {batch_size} images at a time", file=sys.stderr)
