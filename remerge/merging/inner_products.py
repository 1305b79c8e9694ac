"""Inner products of the inputs of an encoder's linear layers, for RegMean's least squares.

The stacked ``in_proj_weight`` of attention is one linear layer with the same solution as separate queries, keys and
values: they share their inputs, and least squares treats every output separately. The output projection ``proj`` is a
bare matrix in open_clip, not a linear layer.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

from remerge.errors import RemergeError


@torch.no_grad()
def inner_products(encoder: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Collect the inner products of every linear layer's inputs.

    Args:
        encoder: The expert, an open_clip image encoder.
        images: float32 ``[n, 3, height, width]``, on the encoder's device; labels are not needed.

    Returns:
        By name of a weight matrix, float32 ``[inputs, inputs]``: the mean over images and positions of the outer
        product of the layer's input with itself.

    Raises:
        RemergeError: There are no images.
    """
    if not len(images):
        raise RemergeError("RegMean needs images of the task to collect inner products from; there are none")
    totals: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def add(name: str, inputs: Tensor) -> None:
        flat = inputs.reshape(-1, inputs.shape[-1]).float()
        totals[name] = totals.get(name, 0) + (flat.T @ flat).cpu()
        counts[name] = counts.get(name, 0) + len(flat)

    hooks = []
    for name, module in encoder.named_modules():
        if isinstance(module, nn.MultiheadAttention):
            hooks.append(module.register_forward_pre_hook(_of_attention(name, add), with_kwargs=True))
        # Attention applies its output layer by its weights, without calling hooks.
        elif isinstance(module, nn.Linear) and not name.endswith("out_proj"):
            hooks.append(module.register_forward_pre_hook(lambda _, given, name=name: add(f"{name}.weight", given[0])))
    try:
        for batch in images.split(64):
            encoder(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: total / counts[name] for name, total in totals.items()}


def _of_attention(name: str, add: Callable[[str, Tensor], None]) -> Callable[..., None]:
    """A hook that adds the inputs of an attention's two linear layers; those of the second are recomputed."""

    def hook(module: nn.MultiheadAttention, given: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        inputs = given[0] if given else named["query"]
        add(f"{name}.in_proj_weight", inputs)
        if not module.batch_first:
            inputs = inputs.transpose(0, 1)
        batch, length, width = inputs.shape
        projected = linear(inputs, module.in_proj_weight, module.in_proj_bias)
        heads = projected.view(batch, length, 3, module.num_heads, -1).permute(2, 0, 3, 1, 4)
        attended = scaled_dot_product_attention(*heads).transpose(1, 2).reshape(batch, length, width)
        add(f"{name}.out_proj.weight", attended)

    return hook
