"""The diagonal of an expert's Fisher information, the weights of Fisher merging (arXiv:2111.09832, section 3).

As in the authors' code (mmatena/model_merging, ``fisher.py``), gradients are squared per example, in expectation over
the labels that the expert predicts. FusionBench, whose published numbers we compare with, follows MergeLM: it squares
gradients of a batch of 32 instead of single examples, summed over labels before squaring.
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from remerge.clip.heads import logits
from remerge.errors import RemergeError

NEGLIGIBLE = 0.001
"""Share of the squared gradients with respect to features that is not backpropagated into the encoder.

For experts of the mini benchmark, the last thousandth would take a third of all passes and has 0.03 % of the Fisher
information.
"""
# Entries of per-example gradients in memory at once: 128 MB.
AT_ONCE = 2**25


def fisher_information(encoder: nn.Module, head: Tensor, images: Tensor) -> dict[str, Tensor]:
    """Return the diagonal of an expert's Fisher information.

    This is the mean over images x of ``sum_y p(y|x) (d log p(y|x) / d theta)^2``, where p is the expert's prediction;
    the images' labels are not used. All but a share :data:`NEGLIGIBLE` of the sum over images and labels is computed.

    Args:
        encoder: The expert, on the images' device.
        head: float32 ``[d, classes]``.
        images: float32 ``[n, 3, height, width]``.

    Returns:
        float32 on the CPU, with the shape of every parameter.

    Raises:
        RemergeError: There are no images.
    """
    if not len(images):
        raise RemergeError("Fisher information needs images of the task; there are none")
    parameters = {name: parameter.detach() for name, parameter in encoder.named_parameters()}

    def along(parameters: dict[str, Tensor], image: Tensor, direction: Tensor) -> Tensor:
        return (functional_call(encoder, parameters, (image[None],))[0] * direction).sum()

    gradients = vmap(grad(along), in_dims=(None, 0, 0))
    total = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    size = max(1, AT_ONCE // sum(parameter.numel() for parameter in parameters.values()))
    # Fused attention has no batching rule.
    with sdpa_kernel(SDPBackend.MATH):
        chosen, directions = _directions(encoder, head, images)
        for start in range(0, len(chosen), size):
            part = slice(start, start + size)
            for name, value in gradients(parameters, images[chosen[part]], directions[part]).items():
                total[name] += value.square_().sum(dim=0)
    return {name: (value / len(images)).cpu() for name, value in total.items()}


def _directions(encoder: nn.Module, head: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """Which images to take gradients of, ``[m]``, and along which directions in feature space, ``[m, d]``.

    With J = dz / d theta, where z are an image's features, the sum over labels is the diagonal of ``J^T B^T B J``; row
    y of B is ``sqrt(p_y) d log p_y / dz``. The singular vectors of B, scaled by its singular values, have the same
    ``B^T B``, and few of them are long, because an expert is rarely undecided between more than a few labels.
    """

    def log_likelihoods(features: Tensor) -> Tensor:
        return logits(features, head).log_softmax(dim=-1)

    with torch.no_grad():
        features = torch.cat([encoder(batch) for batch in images.split(64)])
        rows = vmap(jacrev(log_likelihoods))(features)
        rows = rows * (log_likelihoods(features) / 2).exp()[..., None]
        _, lengths, vectors = torch.linalg.svd(rows, full_matrices=False)
    image = torch.arange(len(images), device=images.device)[:, None].expand_as(lengths).flatten()
    squares, order = lengths.square().flatten().sort(descending=True)
    left_over = squares.double().flip(0).cumsum(0).flip(0)
    followed = order[left_over > NEGLIGIBLE * left_over[0]]
    return image[followed], (lengths[..., None] * vectors).flatten(0, 1)[followed]
