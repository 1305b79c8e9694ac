"""WEMoE: routers mix the weights of MLP blocks for every image, all else is Task Arithmetic's (arXiv:2402.00433).

As the authors' code does it (tanganke/weight-ensembling_MoE): a router returns a coefficient for every task and token,
of which an image's are averaged. Routers are learned on unlabeled test images by minimising the entropy of predictions,
as AdaMerging's coefficients are; with routers of no layer it is AdaMerging of MLP blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from remerge.methods.parameters import Method, parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from remerge.checkpoints.weights import Weights
    from remerge.images.store import ImageSet

LEARNING = {"layers", "initial", "steps", "learning_rate", "batch_size"}
"""Parameters that only routers depend on."""


@dataclass(frozen=True, kw_only=True)
class Wemoe(Method):
    """Routers that mix the weights of MLP blocks for every image (arXiv:2402.00433)."""

    beside_merging = frozenset(LEARNING)
    learns_on = "test"

    algorithm: Literal["wemoe"]
    coefficient: float = parameter(0.3, description="Task Arithmetic's coefficient of all else than MLP blocks.")
    layers: Literal[0, 1, 2] = parameter(
        2, description="Linear layers of every router; 0 for coefficients that are the same for all images."
    )
    initial: float = parameter(0.3, description="What routers return at first for every task, nearly.")
    steps: int = parameter(1000, ge=1, description="Adam steps.")
    learning_rate: float = parameter(1e-4, gt=0, description="Adam's learning rate.")
    batch_size: int = parameter(16, ge=1, description="Unlabeled test images per task and step.")

    def learning_parameters(self) -> dict[str, Any]:
        """The parameters of learning the routers."""
        return {name: value for name, value in self.parameters().items() if name in LEARNING}


def parts(
    pretrained: Weights, task_vectors: Mapping[str, Weights], coefficient: float, device: str = "cpu"
) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """Return pre-trained MLP blocks in an encoder merged by Task Arithmetic, and by task how it moved these blocks.

    Args:
        pretrained: The weights that task vectors start from.
        task_vectors: By task, with the same keys and shapes.
        coefficient: See :class:`Wemoe`.
        device: Passed on to :func:`remerge.merging.streaming.merged_by`.

    Raises:
        RemergeError: A task vector holds NaN or infinity.
    """
    from remerge.merging.ensembled import moved_in_mlps
    from remerge.merging.streaming import merged_by
    from remerge.merging.task_vectors import apply_task_vector
    from remerge.methods.task_arithmetic import Sum

    moved = {task: moved_in_mlps(vector) for task, vector in task_vectors.items()}
    blocks = next(iter(moved.values()))
    merged = merged_by(Sum(), list(task_vectors.values()), device)
    others = {key: tensor for key, tensor in merged.items() if key not in blocks}
    return apply_task_vector(pretrained, others, coefficient), moved


def learn(
    shared: Weights,
    parts: Mapping[str, Weights],
    encoder: nn.Module,
    heads: Mapping[str, Tensor],
    images: Mapping[str, ImageSet],
    /,
    *,
    batch_size: int,
    seed: int,
    device: str = "cpu",
    **parameters: Any,
) -> dict[str, Tensor]:
    """Return the routers, to be stored with the shared weights, learned on unlabeled images of the tasks with a part.

    Args:
        shared: What :func:`parts` returned.
        parts: By task.
        encoder: Gives the architecture; it is modified.
        heads: By task, ``[d, classes]``.
        images: By task; labels are not looked at.
        batch_size: Images per task and step.
        seed: Of the draws of images and the first weights.
        device: Where to learn.
        parameters: Passed on to :func:`remerge.merging.ensembled.learn_routers`.

    Raises:
        RemergeError: No task has images, or the entropy is no longer finite.
    """
    from remerge.errors import RemergeError
    from remerge.merging.adaptation import adaptation_batches
    from remerge.merging.ensembled import learn_routers
    from remerge.merging.routers import stored_router

    if not any(len(images[task]) for task in parts):
        raise RemergeError(f"routers need images of at least one of {', '.join(parts)}; there are none")
    encoder.load_state_dict(dict(shared))
    batches = adaptation_batches([images[task] for task in parts], batch_size=batch_size, seed=seed)
    own = [heads[task] for task in parts]
    return stored_router(
        learn_routers(encoder, list(parts.values()), own, batches, seed=seed, device=device, **parameters)
    )
