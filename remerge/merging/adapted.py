"""Adapted results: one encoder, and for each task an adapter of its features (Representation Surgery)."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from remerge.images.store import ImageSet
from remerge.merging.adaptation import drawn, features_of
from remerge.merging.merged import Plain

DOWN, UP = "down", "up"


class Adapted(Plain):
    """One encoder, followed by the task's adapter."""

    def encoder_for(self, task: str) -> nn.Module:
        """Return the encoder with the task's adapter."""
        part = self.part(task)
        return nn.Sequential(self._encoder, Adapter(part[DOWN], part[UP])).eval()


class Adapter(nn.Module):
    """Subtracts from features z, ``[n, d]``, the bias that it was taught: ``z - up relu(down z)``."""

    def __init__(self, down: Tensor, up: Tensor) -> None:
        """Start from given weights, ``[rank, d]`` and ``[d, rank]``."""
        super().__init__()
        self.down, self.up = nn.Parameter(down), nn.Parameter(up)

    def forward(self, features: Tensor) -> Tensor:
        """Return the adapted features, ``[n, d]``."""
        return features - functional.linear(functional.relu(functional.linear(features, self.down)), self.up)


def learn_adapter(
    encoder: nn.Module,
    expert: nn.Module,
    image_set: ImageSet,
    *,
    rank: int,
    steps: int,
    learning_rate: float,
    batch_size: int,
    seed: int,
    device: str = "cpu",
) -> dict[str, Tensor]:
    """Return an adapter after which the encoder's features come closest to the expert's, by their mean distance.

    Neither encoder changes, so that each image is encoded once, however often it is drawn. Labels are not read.

    Args:
        encoder: The merged encoder, on ``device``.
        expert: The task's expert, on ``device``.
        image_set: Images of the task.
        rank: Of the adapter.
        steps: Adam steps.
        learning_rate: Adam's.
        batch_size: Images per step, drawn anew for each; a smaller set is used whole.
        seed: Of the first weights and of the draws.
        device: Where to learn.

    Returns:
        ``down``, float32 ``[rank, d]``, and ``up``, ``[d, rank]``.
    """
    batches = [drawn([len(image_set)], batch_size=batch_size, seed=seed, step=step)[0] for step in range(steps)]
    used, places = np.unique(np.concatenate(batches), return_inverse=True)
    ours, theirs = (features_of(each, image_set, used, device) for each in (encoder, expert))
    width = ours.shape[1]
    generator = torch.Generator().manual_seed(seed)
    # As nn.Linear starts from; with nothing in the second matrix the adapter changes nothing before the first step.
    down = (2 * torch.rand(rank, width, generator=generator) - 1) / width**0.5
    adapter = Adapter(down, torch.zeros(width, rank)).to(device)
    optimiser = torch.optim.Adam(adapter.parameters(), lr=learning_rate)
    for rows in np.split(places, np.cumsum([len(batch) for batch in batches])[:-1]):
        chosen = torch.from_numpy(rows).to(device)
        optimiser.zero_grad()
        (adapter(ours[chosen]) - theirs[chosen]).abs().mean().backward()
        optimiser.step()
    return {DOWN: adapter.down.detach().cpu(), UP: adapter.up.detach().cpu()}
