"""Pre-training of mini's CLIP: its recipe, and the file that holds what it makes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from remerge.clip.recipe import FIELD, recipe
from remerge.config.models import Config
from remerge.plan.tasks import Tasks

TRAINED = "results/pretrained/mini.safetensors"
"""The CLIP that a run trains."""


@dataclass(frozen=True)
class Shipped:
    """The pre-trained CLIP that comes with the repository.

    Attributes:
        path: The file, which need not exist.
        header: The text fields of its header; empty if there is no such file.
    """

    path: str = ""
    header: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pretraining:
    """The pre-training of a configuration."""

    config: Config
    tasks: Tasks
    shipped: Shipped

    def recipe(self) -> str:
        """Return the settings that mini's CLIP is pre-trained with."""
        return recipe(self.tasks.pretraining_texts(), self.config.training.pretraining.model_dump())

    def clip(self) -> str:
        """Return the pre-trained CLIP: the one that comes with the repository, if made by this recipe, or our own."""
        return self.shipped.path if self.shipped.header.get(FIELD) == self.recipe() else TRAINED
