"""Twin results: a shared expert and what every task's expert has besides, mixed anew for every image (Twin-Merging)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from remerge.checkpoints.weights import Weights
from remerge.errors import RemergeError
from remerge.images.store import ImageSet
from remerge.merging.adaptation import features_of
from remerge.merging.low_rank import LEFT, RIGHT, truncated
from remerge.merging.low_rank import part_weights as factors_of
from remerge.merging.routers import WithRouter
from remerge.run.progress import ProgressBar

WHOLE = "whole."
# Images whose weights are in memory at the same time.
MIXED = 8


class Twin(WithRouter):
    """The shared expert, its router, and all tasks' exclusive knowledge; images choose, and no task is named."""

    def __init__(self, path: str | Path) -> None:
        """Load everything; see :class:`remerge.merging.routers.WithRouter` for errors."""
        super().__init__(path)
        twins = [restored(self.part(task)) for task in self.parts]
        self._encoder = TwinEncoder(self._encoder, filled_router(self.router), twins).eval()


class TwinEncoder(nn.Module):
    """An encoder whose weights are mixed for every image: the shared ones, and a mean of the tasks' by the router."""

    def __init__(self, shared: nn.Module, router: nn.Module, twins: Sequence[Weights]) -> None:
        """Take over the shared expert, the router, ``[n, d]`` to ``[n, tasks]``, and what each task adds to it."""
        super().__init__()
        self.shared, self.router = shared.requires_grad_(False), router
        self.names = [name for name, _ in shared.named_parameters()]
        stacked = (torch.stack([twin[name] for twin in twins]) for name in self.names)
        self.twins = nn.ParameterList(nn.Parameter(each, requires_grad=False) for each in stacked)

    def forward(self, images: Tensor) -> Tensor:
        """Return features ``[n, d]`` of images ``[n, 3, height, width]``, each from the encoder mixed for it."""
        routed = self.router(self.shared(images).float()).softmax(dim=1)
        features = []
        for some, weights in zip(images.split(MIXED), routed.split(MIXED), strict=True):
            mixed = self._mixed(weights)
            for number, image in enumerate(some.split(1)):
                own = {name: tensor[number] for name, tensor in mixed.items()}
                features.append(functional_call(self.shared, own, (image,)))
        return torch.cat(features)

    def _mixed(self, weights: Tensor) -> dict[str, Tensor]:
        """The weights of some images, ``[n, ...]``, given what the router says of these, ``[n, tasks]``."""
        start = dict(self.shared.named_parameters())
        with torch.autocast(weights.device.type, enabled=False):
            return {
                name: start[name] + torch.tensordot(weights, twin, dims=1)
                for name, twin in zip(self.names, self.twins, strict=True)
            }


def compressed(vector: Weights, rank: float, device: str = "cpu") -> dict[str, Tensor]:
    """Return the content of a task's part: matrices of low rank in factors, everything else whole.

    Args:
        vector: What the task's expert has beyond the shared one.
        rank: Share of the rank that matrices keep; at least one direction is kept.
        device: Where to decompose.
    """
    matrices = {key: tensor for key, tensor in vector.items() if tensor.ndim == 2}
    ranks = {key: max(1, int(rank * min(tensor.shape))) for key, tensor in matrices.items()}
    factors = {key: truncated(tensor.to(device), ranks[key]) for key, tensor in matrices.items()}
    return factors_of(factors) | {WHOLE + key: vector[key].clone() for key in vector.keys() - matrices.keys()}


def restored(part: Weights) -> dict[str, Tensor]:
    """Return what a task's part adds to the shared expert."""
    whole = {key.removeprefix(WHOLE): part[key] for key in part if key.startswith(WHOLE)}
    factored = [key.removeprefix(LEFT) for key in part if key.startswith(LEFT)]
    return whole | {key: part[LEFT + key] @ part[RIGHT + key] for key in factored}


def new_router(width: int, tasks: int) -> nn.Sequential:
    """Return the authors' router with random weights: two hidden layers twice as wide as features ``[n, width]``."""
    hidden = 2 * width
    return nn.Sequential(
        *(nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.LeakyReLU(), nn.Dropout(0.5)),
        *(nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.LeakyReLU(), nn.Dropout(0.5)),
        nn.Linear(hidden, tasks),
    )


def filled_router(weights: Weights) -> nn.Sequential:
    """Return the router with weights that :func:`learn_router` returned."""
    first, *_, last = (key for key in weights if key.endswith(".weight"))
    router = new_router(weights[first].shape[1], len(weights[last]))
    router.load_state_dict(dict(weights))
    return router.eval()


def learn_router(
    encoder: nn.Module,
    image_sets: Mapping[str, ImageSet],
    *,
    images: int,
    epochs: int,
    learning_rate: float,
    batch_size: int,
    seed: int,
    device: str = "cpu",
) -> dict[str, Tensor]:
    """Return a router that tells tasks by the shared expert's features of their images, by cross-entropy.

    Args:
        encoder: The shared expert, on ``device``.
        image_sets: By task; labels are not read, and a task may have no images.
        images: The most images of a task, drawn without replacement.
        epochs: Passes over all images, with Adam.
        learning_rate: Adam's.
        batch_size: Images per step, of all tasks.
        seed: Of the draws, the first weights and the dropout.
        device: Where features are computed.

    Returns:
        The router's state dict.

    Raises:
        RemergeError: No task has images.
    """
    features, labels = [], []
    for label, image_set in enumerate(image_sets.values()):
        if count := min(images, len(image_set)):
            generator = np.random.Generator(np.random.PCG64([seed, label]))
            chosen = np.sort(generator.choice(len(image_set), count, replace=False))
            features.append(features_of(encoder, image_set, chosen, device).cpu())
            labels += [label] * count
    if not labels:
        raise RemergeError(f"the router needs images of at least one of {', '.join(image_sets)}; there are none")
    inputs, targets = torch.cat(features).clone(), torch.tensor(labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        router = new_router(inputs.shape[1], len(image_sets)).train()
        adam = torch.optim.Adam(router.parameters(), lr=learning_rate)
        for _ in ProgressBar(range(epochs), desc="router", unit="epoch"):
            for rows in torch.randperm(len(inputs)).split(batch_size):
                # A batch of one has no variance to normalise by.
                if len(rows) > 1:
                    adam.zero_grad()
                    functional.cross_entropy(router(inputs[rows]), targets[rows]).backward()
                    adam.step()
    return dict(router.state_dict())
