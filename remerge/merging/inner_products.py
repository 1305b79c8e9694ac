"""Inner products of the inputs of an encoder's layers, the statistics of methods that solve least squares."""

import torch
from torch import Tensor, nn

from remerge.errors import RemergeError
from remerge.merging.blocks import AT_ONCE
from remerge.merging.layer_inputs import seen


@torch.no_grad()
def inner_products(
    encoder: nn.Module, images: Tensor, *, norms: bool = False, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """Collect the inner products of every linear layer's inputs.

    Args:
        encoder: An open_clip image encoder, such as an expert, or one of its blocks.
        images: What it takes, ``[n, ...]``, on its device: of an encoder float32 ``[n, 3, height, width]``; labels are
            not needed.
        norms: Whether to collect those of layer normalisations too.
        dtype: In which to add them up.

    Returns:
        By name of a weight matrix, ``[inputs, inputs]``: the mean over images and positions of the outer
        product of the layer's input with itself. With ``norms`` also, by name of the scale of a layer normalisation,
        ``[inputs]``: the mean square of each channel that the scale multiplies.

    Raises:
        RemergeError: There are no images.
    """
    if not len(images):
        raise RemergeError("merging by inner products of inputs needs images of the task; there are none")
    totals: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def add(name: str, inputs: Tensor) -> None:
        flat = inputs.reshape(-1, inputs.shape[-1]).to(dtype)
        totals[name] = totals.get(name, 0) + (flat.T @ flat).cpu()
        counts[name] = counts.get(name, 0) + len(flat)

    def add_squares(name: str, inputs: Tensor) -> None:
        flat = inputs.reshape(-1, inputs.shape[-1]).to(dtype)
        totals[name] = totals.get(name, 0) + flat.square().sum(dim=0).cpu()
        counts[name] = counts.get(name, 0) + len(flat)

    with seen(encoder, add, add_squares if norms else None):
        for batch in images.split(AT_ONCE):
            encoder(batch)
    return {name: total / counts[name] for name, total in totals.items()}
