"""The inputs that an encoder's layers see, by the name of the weight that they meet.

The stacked ``in_proj_weight`` of attention is one linear layer with the same solution as separate queries, keys and
values: they share their inputs, and least squares treats every output separately. The output projection ``proj`` is a
bare matrix in open_clip, not a linear layer.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.functional import layer_norm, linear, scaled_dot_product_attention

See = Callable[[str, Tensor], None]
"""Called with the name of a weight and its inputs, ``[..., inputs]``."""


@contextmanager
def seen(module: nn.Module, of_linear: See, of_norm: See | None = None) -> Iterator[None]:
    """Report the inputs of a module's layers whenever it runs.

    Args:
        module: An open_clip image encoder, or one of its blocks.
        of_linear: Called with the inputs of every linear layer.
        of_norm: Called with what the scale of every layer normalisation multiplies: its normalised inputs.
    """
    hooks = []
    for name, each in module.named_modules():
        if isinstance(each, nn.MultiheadAttention):
            hooks.append(each.register_forward_pre_hook(_of_attention(name, of_linear), with_kwargs=True))
        # Attention applies its output layer by its weights, without calling hooks.
        elif isinstance(each, nn.Linear) and not name.endswith("out_proj"):
            hooks.append(each.register_forward_pre_hook(_of_linear(name, of_linear)))
        elif of_norm is not None and isinstance(each, nn.LayerNorm):
            hooks.append(each.register_forward_pre_hook(_of_norm(name, of_norm)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _of_linear(name: str, see: See) -> Callable[..., None]:
    return lambda module, given: see(f"{name}.weight", given[0])


def _of_norm(name: str, see: See) -> Callable[..., None]:
    return lambda module, given: see(f"{name}.weight", layer_norm(given[0], module.normalized_shape, eps=module.eps))


def _of_attention(name: str, see: See) -> Callable[..., None]:
    """A hook that reports the inputs of an attention's two linear layers; those of the second are recomputed."""

    def hook(module: nn.MultiheadAttention, given: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        inputs = given[0] if given else named["query"]
        see(f"{name}.in_proj_weight", inputs)
        if not module.batch_first:
            inputs = inputs.transpose(0, 1)
        batch, length, width = inputs.shape
        projected = linear(inputs, module.in_proj_weight, module.in_proj_bias)
        heads = projected.view(batch, length, 3, module.num_heads, -1).permute(2, 0, 3, 1, 4)
        attended = scaled_dot_product_attention(*heads).transpose(1, 2).reshape(batch, length, width)
        see(f"{name}.out_proj.weight", attended)

    return hook
