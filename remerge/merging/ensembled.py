"""Ensembled results: MLP blocks whose weights a router in each block mixes for every image (WEMoE)."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from remerge.checkpoints.weights import Weights
from remerge.errors import RemergeError
from remerge.merging.learning import backward_entropy
from remerge.merging.routers import WithRouter
from remerge.run.progress import ProgressBar

MLP = ".mlp"
# Standard deviation of a router's first weights.
SPREAD = 0.01
# Images whose weights are in memory at the same time.
MIXED = 16


class Ensembled(WithRouter):
    """The shared encoder with all tasks' MLP blocks and a router in each; images choose, and no task is named."""

    def __init__(self, path: str | Path) -> None:
        """Load everything; see :class:`remerge.merging.routers.WithRouter` for errors."""
        super().__init__(path)
        blocks = len(blocks_of(self._encoder))
        layers = sum(name.endswith("weight") for name in self.router) // blocks
        put_routers_in(self._encoder, [self.part(task) for task in self.parts], layers)
        self._encoder.load_state_dict(self.router, strict=False)
        self._encoder.eval()


class RoutedMlp(nn.Module):
    """An MLP block whose weights are, for every image, the pre-trained ones plus the sum of its experts' movements."""

    def __init__(self, mlp: nn.Module, router: nn.Module, experts: Sequence[Weights]) -> None:
        """Take over a block with the layers ``c_fc`` and ``c_proj``, and by their names how each task moved them."""
        super().__init__()
        self.mlp, self.router = mlp.requires_grad_(False), router
        self.names = [name for name, _ in mlp.named_parameters()]
        stacked = (torch.stack([expert[name] for expert in experts]) for name in self.names)
        self.experts = nn.ParameterList(nn.Parameter(each, requires_grad=False) for each in stacked)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the block's output for ``[n, tokens, d]``."""
        return torch.cat([self._mixed(some) for some in tokens.split(MIXED)])

    def _mixed(self, tokens: Tensor) -> Tensor:
        weights = self.router(tokens).float().mean(dim=1)
        start = dict(self.mlp.named_parameters())
        with torch.autocast(weights.device.type, enabled=False):
            own = {
                name: start[name] + torch.tensordot(weights, expert, dims=1)
                for name, expert in zip(self.names, self.experts, strict=True)
            }
        for name, layer in self.mlp.named_children():
            if f"{name}.weight" in own:
                tokens = torch.baddbmm(own[f"{name}.bias"][:, None], tokens, own[f"{name}.weight"].transpose(1, 2))
            else:
                tokens = layer(tokens)
        return tokens


class Constant(nn.Module):
    """A router that looks at nothing: the same coefficients for every token."""

    def __init__(self, tasks: int, initial: float) -> None:
        """Start with every coefficient at ``initial``."""
        super().__init__()
        self.coefficients = nn.Parameter(torch.full((tasks,), initial))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return coefficients ``[n, tokens, tasks]`` for ``[n, tokens, d]``."""
        return self.coefficients.expand(*tokens.shape[:2], -1)


def new_router(width: int, tasks: int, layers: int, initial: float = 0.3) -> nn.Module:
    """Return a block's router with random weights, which weighs all tasks by about ``initial``.

    Args:
        width: d of tokens ``[n, tokens, d]``.
        tasks: How many coefficients it returns for every token.
        layers: 2 for two linear layers with a ReLU between, 1 for one, 0 for coefficients that depend on nothing.
        initial: The last bias, or the coefficients.
    """
    if not layers:
        return Constant(tasks, initial)
    sizes = [width] * layers + [tasks]
    linear = [nn.Linear(inputs, outputs) for inputs, outputs in pairwise(sizes)]
    for layer in linear:
        nn.init.normal_(layer.weight, std=SPREAD)
        nn.init.zeros_(layer.bias)
    nn.init.constant_(linear[-1].bias, initial)
    return linear[0] if layers == 1 else nn.Sequential(linear[0], nn.ReLU(), linear[1])


def blocks_of(encoder: nn.Module) -> dict[str, nn.Module]:
    """Return the MLP blocks of an encoder by name."""
    return {name: module for name, module in encoder.named_modules() if name.endswith(MLP)}


def put_routers_in(encoder: nn.Module, parts: Sequence[Weights], layers: int, initial: float = 0.3) -> None:
    """Replace an encoder's MLP blocks by :class:`RoutedMlp`, with new routers.

    Args:
        encoder: The encoder, with the pre-trained weights in these blocks.
        parts: Of every task, how it moved the weights of MLP blocks.
        layers: See :func:`new_router`.
        initial: See :func:`new_router`.
    """
    for name, mlp in blocks_of(encoder).items():
        begin = f"{name}."
        experts = [{key.removeprefix(begin): part[key] for key in part if key.startswith(begin)} for part in parts]
        router = new_router(mlp.get_parameter("c_fc.weight").shape[1], len(parts), layers, initial)
        encoder.set_submodule(name, RoutedMlp(mlp, router, experts))


def learn_routers(
    encoder: nn.Module,
    parts: Sequence[Weights],
    heads: Sequence[Tensor],
    batches: Callable[[int], Sequence[Tensor]],
    *,
    layers: int,
    initial: float,
    steps: int,
    learning_rate: float,
    seed: int,
    device: str = "cpu",
) -> dict[str, Tensor]:
    """Return routers that minimise the entropy of predictions on unlabeled images, summed over tasks.

    Args:
        encoder: What all tasks share; its MLP blocks are replaced.
        parts: Of every task, how it moved the weights of MLP blocks.
        heads: One per task, ``[d, classes]``.
        batches: Maps a step to one batch of unlabeled images per task; empty for a task without images.
        layers: See :func:`new_router`.
        initial: See :func:`new_router`.
        steps: Adam steps.
        learning_rate: Adam's.
        seed: Of the routers' first weights.
        device: Where to learn.

    Returns:
        The routers' parameters by their names in the encoder.

    Raises:
        RemergeError: The entropy is no longer finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        put_routers_in(encoder.requires_grad_(False), parts, layers, initial)
    encoder.to(device).eval()
    learned: dict[str, Tensor] = {name: tensor for name, tensor in encoder.named_parameters() if tensor.requires_grad}
    heads = [head.to(device) for head in heads]
    adam = torch.optim.Adam(learned.values(), lr=learning_rate)
    for step in ProgressBar(range(steps), desc="WEMoE", unit="step"):
        adam.zero_grad()
        entropy = backward_entropy(encoder, heads, [batch.to(device) for batch in batches(step)], MIXED)
        if not entropy.isfinite():
            raise RemergeError(f"entropy is {entropy.item()} at step {step}: look for NaN in the checkpoints")
        adam.step()
    return learned


def moved_in_mlps(vector: Weights) -> dict[str, Tensor]:
    """Return the content of a task's part: how it moved the weights of MLP blocks."""
    return {key: vector[key].clone() for key in vector if f"{MLP}." in key}
