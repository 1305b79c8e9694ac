"""RegMean: linear layers merged so that their outputs come closest to the experts' (arXiv:2212.09849, eq. 2).

As the authors' code does it (bloomberg/dataless-model-merging, ``avg_merger.py``): the weights of linear layers by
least squares, off-diagonal inner products shrunk; everything else, biases included, averaged. An attention's stacked
``in_proj_weight`` is one linear layer with the same solution as separate queries, keys and values: they share their
inputs, and least squares treats every output by itself. The output projection ``proj`` is a bare matrix to open_clip
and no linear layer; it is averaged.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

from remerge.checkpoints.weights import Weights
from remerge.errors import ParameterError, RemergeError

# What must be left of an input's square when the other inputs have explained it; below lies float32's rounding.
UNEXPLAINED = 1e-5


@torch.no_grad()
def statistics(encoder: nn.Module, images: Tensor) -> dict[str, Tensor]:
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
        # Attention's own output layer is called by its weights, past any hook.
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
    """A hook that adds the inputs of an attention's two linear layers, the second's worked out anew."""

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


def merge(task_vectors: Sequence[Weights], products: Sequence[Weights], off_diagonal: float) -> dict[str, Tensor]:
    """Return the task vector of RegMean's weights: least squares for linear layers, the mean for everything else.

    Args:
        task_vectors: One per task.
        products: What :func:`statistics` returned for each.
        off_diagonal: Factor of the inner products between different inputs, in (0, 1]. The default, 0.95, is that of
            FusionBench's published numbers, 82.4 on ViT-B/32. Below 1 it makes every system well conditioned, so that
            none needs a ridge.

    Raises:
        ParameterError: With ``off_diagonal`` 1, a layer's inputs depend on each other linearly.
    """
    merged = {}
    for key in task_vectors[0]:
        vectors = [vector[key] for vector in task_vectors]
        if key not in products[0]:
            merged[key] = torch.stack(vectors).mean(dim=0)
            continue
        grams = [_shrunk(own[key].double(), off_diagonal) for own in products]
        # As W = W0 + tau for every task, and W0 is shared, the solution is W0 plus that of the task vectors.
        right = torch.stack([gram @ vector.double().T for gram, vector in zip(grams, vectors, strict=True)]).sum(dim=0)
        merged[key] = _solved(key, torch.stack(grams).sum(dim=0), right).T.to(vectors[0].dtype).contiguous()
    return merged


def _shrunk(gram: Tensor, off_diagonal: float) -> Tensor:
    return off_diagonal * gram + (1 - off_diagonal) * torch.diag(gram.diagonal())


def _solved(key: str, left: Tensor, right: Tensor) -> Tensor:
    # An input that is always zero decides nothing: its weights stay the pre-trained ones.
    left.diagonal()[left.diagonal() == 0] = 1.0
    factor, failed = torch.linalg.cholesky_ex(left)
    if failed or (factor.diagonal().square() < UNEXPLAINED * left.diagonal()).any():
        raise ParameterError(
            f"RegMean: the inputs of {key} depend on each other, and their least squares have no single solution; "
            "set `off_diagonal` below 1 or take more `images`"
        )
    return torch.cholesky_solve(right, factor)
