"""Fisher merging: the experts' mean, every entry weighted by its Fisher information (arXiv:2111.09832, eq. 4)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from remerge.errors import RemergeError
from remerge.heads import logits
from remerge.weights import Weights

# Where no expert has any information, all count the same.
FLOOR = 1e-10


def statistics(encoder: nn.Module, head: Tensor, images: Tensor, seed: int = 0) -> dict[str, Tensor]:
    """Estimate the diagonal of an expert's Fisher information.

    The mean over images of the squared gradient of the log-likelihood of a label that is drawn from the expert's own
    prediction; the images' labels are not looked at.

    Args:
        encoder: The expert.
        head: float32 ``[d, classes]``.
        images: float32 ``[n, 3, height, width]``, on the encoder's device as is the head.
        seed: Of the labels drawn.

    Returns:
        float32, of every parameter's shape, on the CPU.

    Raises:
        RemergeError: There are no images.
    """
    if not len(images):
        raise RemergeError("Fisher information needs images of the task; there are none")
    generator = torch.Generator().manual_seed(seed)
    total = {name: torch.zeros_like(parameter) for name, parameter in encoder.named_parameters()}
    for image in images:
        scores = logits(encoder(image[None]), head)
        label = torch.multinomial(scores.detach().softmax(dim=1).cpu(), 1, generator=generator)[0].to(scores.device)
        encoder.zero_grad(set_to_none=True)
        cross_entropy(scores, label).backward()
        for name, parameter in encoder.named_parameters():
            if parameter.grad is not None:
                total[name] += parameter.grad.square()
    encoder.zero_grad(set_to_none=True)
    return {name: (value / len(images)).cpu() for name, value in total.items()}


def merge(task_vectors: Sequence[Weights], information: Sequence[Weights]) -> dict[str, Tensor]:
    """Return the mean of the task vectors, every entry weighted by its Fisher information.

    As the experts share the pre-trained weights, this is the task vector of the weighted mean of the experts.

    Args:
        task_vectors: One per task.
        information: What :func:`statistics` found for each.
    """
    merged = {}
    for key in task_vectors[0]:
        weights = [own[key] + FLOOR for own in information]
        weighted = [weight * vector[key] for weight, vector in zip(weights, task_vectors, strict=True)]
        merged[key] = torch.stack(weighted).sum(dim=0) / torch.stack(weights).sum(dim=0)
    return merged
