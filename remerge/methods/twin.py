"""Twin-Merging: a shared expert, and for every image a mean of what tasks have besides (arXiv:2406.15479, section 3).

A port: the authors merge language models, and numbers of image encoders are other papers'. As the authors' code does it
(LZY-the-boys/Twin-Merging, ``discriminative``): ``theta* + sum_t w_t SVD_r(theta_t - theta*)``, where ``theta*`` is
another method's merge and ``w`` the softmax of a router with two hidden layers, learned to tell tasks by features of
``theta*``. These are mean hidden states there, and the encoder's image features here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from remerge.methods.parameters import parameter
from remerge.methods.plug_ins import PlugIn, wrapped_rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from remerge.checkpoints.weights import Weights
    from remerge.images.store import ImageSet

LEARNING = {"images", "epochs", "learning_rate", "batch_size"}
"""Parameters that only the router depends on."""


@dataclass(frozen=True, kw_only=True)
class Twin(PlugIn):
    """Another method's merge, and a router that mixes in what each task's expert has besides (arXiv:2406.15479)."""

    beside_merging = frozenset(LEARNING)
    learns_on = "validation"

    algorithm: Literal["twin"]
    coefficient: float = parameter(
        0.29, description="The wrapped method's merging coefficient, which makes the shared expert."
    )
    rank: float = parameter(
        0.1,
        gt=0,
        le=1,
        description="Share of the rank that matrices keep of what an expert has beyond the shared one; all else is "
        "kept whole.",
    )
    images: int = parameter(
        256, ge=1, description="Unlabeled validation images per task that the router learns from. Authors: 5,500 texts."
    )
    epochs: int = parameter(50, ge=1, description="Passes over these images.")
    learning_rate: float = parameter(5e-4, gt=0, description="Adam's learning rate.")
    batch_size: int = parameter(1024, ge=2, description="Images per step, of all tasks.")

    def learning_parameters(self) -> dict[str, Any]:
        """The parameters of learning the router."""
        return {name: value for name, value in self.parameters().items() if name in LEARNING}


def parts(
    pretrained: Weights,
    task_vectors: Mapping[str, Weights],
    around: Mapping[str, Any],
    coefficient: float,
    rank: float,
    device: str = "cpu",
) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """Return the shared expert and, by task, what its expert has beyond that, of low rank.

    Args:
        pretrained: The weights that task vectors start from.
        task_vectors: By task, with the same keys and shapes.
        around: The method that merges the shared expert; see :func:`remerge.methods.plug_ins.wrapped_rule`.
        coefficient: See :class:`Twin`.
        rank: See :class:`Twin`.
        device: Where to decompose.

    Raises:
        ParameterError: A parameter of the wrapped method is out of range.
        RemergeError: A task vector holds NaN or infinity.
    """
    from remerge.merging.streaming import merged_by
    from remerge.merging.task_vectors import apply_task_vector
    from remerge.merging.twins import compressed

    vectors = list(task_vectors.values())
    merged = merged_by(wrapped_rule(vectors, around), vectors, device)
    exclusive = (
        {key: vector[key] - coefficient * tensor for key, tensor in merged.items()} for vector in task_vectors.values()
    )
    twins = {task: compressed(each, rank, device) for task, each in zip(task_vectors, exclusive, strict=True)}
    return apply_task_vector(pretrained, merged, coefficient), twins


def learn(
    shared: Weights,
    parts: Mapping[str, Weights],
    encoder: nn.Module,
    heads: Mapping[str, Tensor],
    images: Mapping[str, ImageSet],
    /,
    *,
    seed: int,
    device: str = "cpu",
    **parameters: Any,
) -> dict[str, Tensor]:
    """Return the router, to be stored with the shared expert, learned on unlabeled images of the tasks with a part.

    Args:
        shared: The shared expert's weights, from :func:`parts`.
        parts: By task.
        encoder: Gives the architecture; its weights are overwritten.
        heads: Not looked at.
        images: By task; labels are not looked at.
        seed: Of the draws of images, the first weights and the dropout.
        device: Where features are computed.
        parameters: Passed on to :func:`remerge.merging.twins.learn_router`.

    Raises:
        RemergeError: No task has images.
    """
    from remerge.merging.routers import stored_router
    from remerge.merging.twins import learn_router

    encoder.load_state_dict(dict(shared))
    of_parts = {task: images[task] for task in parts}
    return stored_router(learn_router(encoder.to(device).eval(), of_parts, seed=seed, device=device, **parameters))
