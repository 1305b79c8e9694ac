"""Counting right answers."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from tqdm import tqdm

from remerge.encoders import to_input
from remerge.heads import logits
from remerge.images import ImageSet


@torch.inference_mode()
def count_correct(
    encoder: nn.Module, head: Tensor, image_set: ImageSet, *, device: str = "cpu", batch_size: int = 256
) -> int:
    """Return how many of a set's images the encoder and the task's zero-shot head classify correctly (top 1).

    Args:
        encoder: Image encoder, on ``device``.
        head: float32 ``[features, classes]``.
        image_set: Images and labels; its number of classes must be the head's.
        device: Where the encoder is.
        batch_size: Images per forward pass.
    """
    correct = 0
    head = head.to(device)
    for start in range(0, len(image_set), batch_size):
        images = torch.from_numpy(image_set.images[start : start + batch_size]).to(device)
        labels = torch.from_numpy(image_set.labels[start : start + batch_size]).to(device)
        correct += int((logits(encoder(to_input(images)), head).argmax(dim=1) == labels).sum())
    return correct


def score_encoder(
    encoder: nn.Module,
    heads: Mapping[str, Tensor],
    image_sets: Mapping[str, ImageSet],
    *,
    device: str = "cpu",
    progress: bool = True,
) -> list[tuple[str, int, int]]:
    """Score an encoder on every task.

    Returns:
        ``(task, correct, n)`` in the order of ``image_sets``.
    """
    encoder = encoder.to(device).eval()
    scores = []
    for task, image_set in tqdm(image_sets.items(), desc="score", unit="task", disable=not progress):
        correct = count_correct(encoder, heads[task], image_set, device=device)
        scores.append((task, correct, len(image_set)))
    return scores
