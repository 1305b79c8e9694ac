"""Settings shared by all kinds of studies."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import ConfigDict, Field

from remerge.run.settings import Name, Strict


class Costs(Protocol):
    """The cost of scoring and learning, in forward passes of one image."""

    def images(self, tasks: Sequence[str], split: str = "test") -> int:
        """Return the number of images of some tasks in a split."""

    def learning(self, method: str, tasks: int) -> float:
        """Return the cost of learning a merge of this many tasks; 0 for a method that does not learn."""


class Study(Strict, ABC):
    """Base of all studies' settings; the workflow and the doctor ask it what a study of any kind needs."""

    model_config = ConfigDict(model_title_generator=lambda model: model.__module__.rpartition(".")[2])

    fewest_tasks: ClassVar[int] = 1
    """Fewest tasks that its suite must have."""
    merged_keys: ClassVar[tuple[str, ...]] = ()
    """Keys that list the tasks of its suite to merge."""
    left_out_keys: ClassVar[tuple[str, ...]] = ()
    """Keys that have, for every merge, a list of the tasks of its suite to leave out."""
    looks_at_validation: ClassVar[bool] = False
    """Whether encoders are also scored on clean validation images, to choose between them."""

    kind: str
    suite: Name = Field(description="The suite whose task vectors are merged.")
    images: int | None = Field(
        None,
        ge=1,
        description="Images of each task and split to score on and learn from, drawn with a fixed seed. Default: all.",
    )

    @property
    def parts(self) -> list[str]:
        """The parts that are made separately, one job each."""
        return ["all"]

    @property
    def applied(self) -> list[str]:
        """Names of the methods that it applies."""
        return []

    @property
    def learning(self) -> dict[str, int]:
        """Parameters that replace those of the methods that learn."""
        return {}

    def settings_of(self, part: str) -> dict[str, Any]:
        """Return the settings that one part depends on, as plain values, so that adding a part reruns no other."""
        return self.model_dump(exclude={"kind", "suite", "images", "steps", "batch_size"})

    def tasks_in(self, suite: Sequence[str]) -> list[str]:
        """Return the tasks of the suite that it uses."""
        return list(suite)

    def images_of(self, part: str) -> str:
        """Return the images that a part is scored on: ``test`` or ``corrupted/{corruption}-{severity}``."""
        return "test"

    @abstractmethod
    def passes(self, suite: Sequence[str], costs: Costs) -> float:
        """Return an estimate of the number of forward passes of one image.

        Args:
            suite: The suite's tasks.
            costs: The cost of scoring and learning.
        """


class StudyOfMethods(Study):
    """Base of the settings of studies that apply methods of the configuration."""

    methods: Annotated[list[Name], Field(min_length=1, description="Methods to compare; none may be tuned.")]
    steps: int | None = Field(
        None, ge=1, description="Steps of the methods that learn, in this study. Default: each method's."
    )
    batch_size: int | None = Field(
        None,
        ge=1,
        description="Images per task and step of the methods that learn, in this study. Default: each method's.",
    )

    @property
    def applied(self) -> list[str]:
        """Names of the methods."""
        return list(self.methods)

    @property
    def learning(self) -> dict[str, int]:
        """The numbers of steps and images that are given."""
        given = {"steps": self.steps, "batch_size": self.batch_size}
        return {name: value for name, value in given.items() if value is not None}
