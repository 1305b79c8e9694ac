"""How much every tensor of a task vector changes a loss, to first order."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from remerge.checkpoints.weights import Weights
from remerge.clip.heads import logits
from remerge.merging.blocks import AT_ONCE


def first_order_effects(
    encoder: nn.Module, head: Tensor, images: Tensor, labels: Tensor, vector: Weights
) -> dict[str, float]:
    """Return the inner products of the loss's gradient with a task vector, tensor by tensor.

    Args:
        encoder: With the weights to take the gradient at.
        head: float32 ``[d, classes]``.
        images: float32 ``[n, 3, height, width]``.
        labels: int64 ``[n]``; the loss is their mean cross-entropy.
        vector: The task vector.
    """
    parameters = dict(encoder.named_parameters())
    effects = dict.fromkeys(vector, 0.0)
    for batch, wanted in zip(images.split(AT_ONCE), labels.split(AT_ONCE), strict=True):
        loss = cross_entropy(logits(encoder(batch), head), wanted, reduction="sum") / len(labels)
        for name, gradient in zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True):
            effects[name] += float((gradient.cpu().double() * vector[name].double()).sum())
    return effects
