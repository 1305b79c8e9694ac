"""AdaMerging: coefficients learned by minimising entropy on unlabeled test images (arXiv:2310.02575, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from remerge.errors import ParameterError, RemergeError
from remerge.merging.rules import MergeRule, Scope
from remerge.methods.parameters import InputPath, Method, parameter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set
    from pathlib import Path

    from torch import Tensor, nn

    from remerge.checkpoints.weights import Weights
    from remerge.images.store import ImageSet
    from remerge.merging.coefficients import Coefficients
    from remerge.run.resume import Progress

LEARNING = {"granularity", "steps", "learning_rate", "batch_size", "initial"}


@dataclass(frozen=True, kw_only=True)
class AdaMerging(Method):
    """Coefficients learned by minimising entropy on unlabeled test images (arXiv:2310.02575)."""

    trims = True
    beside_merging = frozenset({*LEARNING, "coefficients"})

    algorithm: Literal["adamerging"]
    granularity: Literal["task", "layer"] = parameter(
        "layer", description="One coefficient per `task`, or per task and `layer` (state-dict tensor)."
    )
    keep: float | None = parameter(
        None,
        gt=0,
        le=1,
        description="AdaMerging++: trim to this share and elect signs before learning. Default: plain AdaMerging.",
    )
    scope: Scope = parameter("vector", description="What `keep` is a share of, as for `ties`.")
    steps: int = parameter(500, ge=1, description="Adam steps.")
    learning_rate: float = parameter(1e-3, gt=0, description="Adam's learning rate.")
    batch_size: int = parameter(
        32, ge=1, description="Unlabeled images per task and step (the papers' script: 2 x 16)."
    )
    initial: float = parameter(0.3, ge=0, le=1, description="Every coefficient's first value.")
    coefficients: InputPath | None = parameter(
        None,
        description="A coefficient file of an earlier run, applied again without learning; "
        "`steps`, `learning_rate`, `batch_size` and `initial` then have no meaning and must be left out.",
    )

    @property
    def learns(self) -> bool:
        """Whether coefficients are learned in this run."""
        return self.coefficients is None

    @property
    def variant(self) -> str:
        """Granularity, and whether it is AdaMerging++."""
        return self.granularity + (" ++" if self.keep is not None else "")

    def check_given(self, given: Set[str]) -> None:
        """Refuse parameters of learning beside coefficients that are applied as they are.

        Raises:
            ParameterError: Both are given; the message names the former.
        """
        if self.coefficients is not None and (pointless := sorted(given & LEARNING - {"granularity"})):
            raise ParameterError(f"`coefficients` are applied without learning: remove {', '.join(pointless)}")

    def learning_parameters(self) -> dict[str, Any]:
        """The parameters that coefficients depend on, beside the task vectors that they scale."""
        return {name: value for name, value in self.parameters().items() if name in LEARNING}


def preprocess(
    task_vectors: Sequence[Weights],
    keep: float | None,
    scope: Scope,
    frozen_entries: int = 0,
    folder: str | Path | None = None,
) -> Sequence[Weights]:
    """Return the task vectors that coefficients scale: those given or, for AdaMerging++, trimmed and elected ones.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        keep: Share of entries that survive trimming; None for plain AdaMerging.
        scope: What ``keep`` is a share of.
        frozen_entries: See :func:`remerge.merging.ties.trim_thresholds`.
        folder: Keep what is trimmed in unnamed files there, rather than in memory.
    """
    from remerge.merging.ties import trimmed_and_elected

    return task_vectors if keep is None else trimmed_and_elected(task_vectors, keep, scope, frozen_entries, folder)


def learn(
    task_vectors: Mapping[str, Weights],
    encoder: nn.Module,
    pretrained: Weights,
    heads: Mapping[str, Tensor],
    images: Mapping[str, ImageSet],
    *,
    seed: int,
    batch_size: int,
    device: str = "cpu",
    progress: Progress | None = None,
    **parameters: Any,
) -> Coefficients:
    """Return coefficients learned on unlabeled images of the task vectors' tasks, and of no others.

    Args:
        task_vectors: By task, as :func:`preprocess` returned them.
        encoder: Gives the architecture; it is not modified.
        pretrained: The encoder's pre-trained weights.
        heads: By task, ``[d, classes]``.
        images: By task; labels are not looked at.
        seed: Of the draws of images.
        batch_size: Images per task and step.
        device: Where to learn.
        progress: Where to go on from, and to save to, if the work may be cut off.
        parameters: Passed on to :func:`remerge.merging.learning.learn_coefficients`.

    Raises:
        RemergeError: See :func:`remerge.merging.learning.learn_coefficients`.
    """
    from remerge.merging.adaptation import adaptation_batches
    from remerge.merging.learning import learn_coefficients

    tasks = list(task_vectors)
    return learn_coefficients(
        encoder,
        [heads[task] for task in tasks],
        pretrained,
        list(task_vectors.values()),
        adaptation_batches([images[task] for task in tasks], batch_size=batch_size, seed=seed),
        tasks=tasks,
        device=device,
        progress=progress,
        **parameters,
    )


def merge(task_vectors: Sequence[Weights], coefficients: Coefficients) -> dict[str, Tensor]:
    """Return the sum of task vectors, as :func:`preprocess` returned them, by the last of some coefficients."""
    from remerge.merging.coefficients import merge_by

    return merge_by(task_vectors, coefficients.values[-1], coefficients.layers)


def merge_rule(
    task_vectors: Sequence[Weights],
    coefficients: str | Path,
    tasks: Sequence[str],
    step: int | None = None,
    keep: float | None = None,
    scope: Scope = "vector",
    frozen_entries: int = 0,
) -> MergeRule:
    """Return merging by coefficients from a file as a merge rule.

    Args:
        task_vectors: One per task.
        coefficients: The file.
        tasks: The task vectors' names; each must be in the file.
        step: The recorded step to take; the last when None.
        keep: Trim to this share and elect signs first, as AdaMerging++ did when it learned them.
        scope: What ``keep`` is a share of.
        frozen_entries: See :func:`remerge.merging.ties.trim_thresholds`.

    Raises:
        RemergeError: The file cannot be read, or lacks the step, a task or a layer; the message names both.
    """
    from remerge.merging.coefficients import ALL_LAYERS, ByCoefficients, read_coefficients
    from remerge.merging.ties import TiesRule, trim_thresholds

    history = read_coefficients(coefficients)
    if missing := [task for task in tasks if task not in history.tasks]:
        raise RemergeError(
            f"{coefficients}: no coefficients for task {', '.join(missing)}; there are: {', '.join(history.tasks)}"
        )
    rows = [history.tasks.index(task) for task in tasks]
    ties = None if keep is None else TiesRule(trim_thresholds(task_vectors, keep, scope, frozen_entries), "sum")
    try:
        chosen = history.at(history.steps[-1] if step is None else step)
    except RemergeError as error:
        raise RemergeError(f"{coefficients}: {error}") from error
    if ALL_LAYERS not in chosen.layers and (unknown := [key for key in task_vectors[0] if key not in chosen.layers]):
        raise RemergeError(
            f"{coefficients}: no coefficient for layer {unknown[0]!r}; there are: {', '.join(chosen.layers)}"
        )
    return ByCoefficients(chosen.values[0, rows], chosen.layers, ties)
