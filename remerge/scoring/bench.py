"""Variants: merged encoders that are scored and not stored, with one in memory at a time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from torch import Tensor, nn

from remerge.checkpoints.weights import Weights
from remerge.images.store import ImageSet
from remerge.merging.task_vectors import apply_task_vector
from remerge.run.progress import ProgressBar
from remerge.scoring.coverage import tasks_with_images
from remerge.scoring.evaluation import same_for_all, score_encoder
from remerge.scoring.scores import NO_SCORES


@dataclass(frozen=True)
class Variant:
    """One encoder: the pre-trained weights plus a scaled task vector.

    Attributes:
        columns: Columns that identify it in the score file: ``variant``, ``method``, ``keep``, ``merged``, ``scaling``.
        task_vector: The task vector, before scaling.
        scaling: The merging coefficient lambda.
        tasks: The tasks to score on; all if None.
    """

    columns: Mapping[str, Any]
    task_vector: Weights
    scaling: float
    tasks: Sequence[str] | None = None


@dataclass(frozen=True)
class Bench:
    """Everything needed to score variants.

    Attributes:
        encoder: An encoder of the right architecture; its weights are overwritten.
        pretrained: The pre-trained weights.
        heads: Per task, float32 ``[d, classes]``.
        images: Images per split and task.
        device: Where to run.
        scoring: More arguments of :func:`remerge.scoring.evaluation.score_encoder`.
    """

    encoder: nn.Module
    pretrained: Weights
    heads: Mapping[str, Tensor]
    images: Mapping[str, Mapping[str, ImageSet]]
    device: str = "cpu"
    scoring: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tasks(self) -> list[str]:
        """The tasks that have images in every split and can be scored."""
        found = [tasks_with_images(sets) for sets in self.images.values()]
        return [task for task in found[0] if all(task in others for others in found)]

    def score(self, variants: Iterable[Variant], *, total: int | None = None) -> pd.DataFrame:
        """Score variants on every split, on tasks that have images.

        Returns:
            The variants' columns and those of :func:`remerge.scoring.evaluation.score_encoder`, with answers, and
            ``split``; no rows if there is nothing to score.
        """
        frames = []
        available = self.tasks
        for variant in ProgressBar(variants, desc="score", unit="encoder", total=total):
            tasks = [task for task in available if variant.tasks is None or task in variant.tasks]
            if not tasks:
                continue
            self.encoder.load_state_dict(apply_task_vector(self.pretrained, variant.task_vector, variant.scaling))
            for split, sets in self.images.items():
                chosen = {task: sets[task] for task in variant.tasks or tasks if task in tasks}
                scored = score_encoder(
                    same_for_all(self.encoder),
                    self.heads,
                    chosen,
                    device=self.device,
                    progress=False,
                    answers=True,
                    **self.scoring,
                )
                frames.append(scored.assign(split=split, **variant.columns))
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=NO_SCORES)
