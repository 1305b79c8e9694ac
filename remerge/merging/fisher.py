"""Fisher merging: the experts' mean, every entry weighted by its Fisher information (arXiv:2111.09832, eq. 4).

As the authors' code does it (mmatena/model_merging, ``fisher.py`` and ``merging.py``): squared gradients of single
examples, in expectation over the labels that the expert predicts; raised to at least a floor; divided by the norm of
the expert's whole Fisher. The authors' floor spares all models but a "target", whose weights then stand wherever no
model has information; of several tasks none is the target, and all are floored (``favor_target_model=False``). They
search merging coefficients by score; here, as in all published tables of several tasks, all are equal.

FusionBench, whose numbers are compared with, follows MergeLM: it squares gradients of a batch of 32 instead of single
examples, summed over labels before squaring, and adds the floor instead of taking the maximum. The RegMean authors'
code adds 1e-10 and does not normalise by default.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from remerge.checkpoints.weights import Weights
from remerge.clip.heads import logits
from remerge.errors import RemergeError

# The authors' default.
FLOOR = 1e-6
# Share of the squared gradients with respect to features that is not followed into the encoder: for experts of the mini
# benchmark the last thousandth would take a third of all passes, and holds 0.03 % of the Fisher information.
NEGLIGIBLE = 0.001
# Entries of single gradients held at once: 128 MB.
AT_ONCE = 2**25


def statistics(encoder: nn.Module, head: Tensor, images: Tensor) -> dict[str, Tensor]:
    """Return the diagonal of an expert's Fisher information.

    The mean over images x of ``sum_y p(y|x) (d log p(y|x) / d theta)^2``, p being the expert's own prediction; the
    images' labels are not looked at. All but :data:`NEGLIGIBLE` of the sum over images and labels is computed.

    Args:
        encoder: The expert, on the images' device.
        head: float32 ``[d, classes]``.
        images: float32 ``[n, 3, height, width]``.

    Returns:
        float32, of every parameter's shape, on the CPU.

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

    With J = dz / d theta, z being an image's features, the sum over labels is the diagonal of ``J^T B^T B J``, where
    row y of B is ``sqrt(p_y) d log p_y / dz``. The singular vectors of B, times its singular values, have the same
    ``B^T B``, and few of them are long: an expert hesitates between few labels, if at all.
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


def merge(task_vectors: Sequence[Weights], information: Sequence[Weights]) -> dict[str, Tensor]:
    """Return the mean of the task vectors, every entry weighted by its normalised Fisher information.

    As the experts share the pre-trained weights, this is the task vector of the weighted mean of the experts. Where
    every entry is above :data:`FLOOR`, an expert's weights do not depend on the scale of its Fisher information.

    Args:
        task_vectors: One per task.
        information: What :func:`statistics` returned for each.
    """
    norms = [_norm(own) for own in information]
    merged = {}
    for key in task_vectors[0]:
        weights = torch.stack([own[key].clamp(min=FLOOR) / norm for own, norm in zip(information, norms, strict=True)])
        vectors = torch.stack([vector[key] for vector in task_vectors])
        merged[key] = (weights * vectors).sum(dim=0) / weights.sum(dim=0)
    return merged


def _norm(information: Weights) -> float:
    squares = sum(float(value.double().square().sum()) for value in information.values())
    # Without any information there is nothing to normalise, and the floor alone is the weight.
    return squares**0.5 or 1.0
