"""An encoder's blocks, one at a time: the states between them, and blocks with other weights."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from remerge.checkpoints.weights import Weights
from remerge.merging.task_vectors import apply_task_vector

STACK = "transformer.resblocks."
# Images, or states of as many, per pass.
AT_ONCE = 64


def blocks_of(encoder: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the name of every block, which its weights' names begin with, and the block, from first to last."""
    for name, block in encoder.get_submodule(STACK.rstrip(".")).named_children():
        yield f"{STACK}{name}.", block


def within(weights: Weights, block: str) -> dict[str, Tensor]:
    """Return those weights that belong to a block, by their names in it."""
    return {key.removeprefix(block): weights[key] for key in weights if key.startswith(block)}


def before_blocks(key: str) -> bool:
    """Return whether a weight is used before the first block: an embedding, or ``ln_pre``."""
    return key.startswith(("class_embedding", "positional_embedding", "conv1.", "ln_pre."))


def set_weights(module: nn.Module, pretrained: Weights, task_vector: Weights) -> None:
    """Give a module the pre-trained weights plus a task vector, which may leave out tensors."""
    module.load_state_dict(apply_task_vector(pretrained, task_vector, 1.0))


@torch.no_grad()
def states_before_blocks(encoder: nn.Module, images: Tensor) -> Tensor:
    """Return what an encoder gives its first block, ``[n, positions, width]``, from ``[n, 3, height, width]``."""
    states: list[Tensor] = []
    _, first = next(blocks_of(encoder))
    hook = first.register_forward_pre_hook(lambda module, given: states.append(given[0]))
    try:
        for batch in images.split(AT_ONCE):
            encoder(batch)
    finally:
        hook.remove()
    return torch.cat(states)


@torch.no_grad()
def through(block: nn.Module, states: Tensor) -> Tensor:
    """Return a block's outputs, of the shape of its inputs, ``[n, positions, width]``."""
    return torch.cat([block(batch) for batch in states.split(AT_ONCE)])
