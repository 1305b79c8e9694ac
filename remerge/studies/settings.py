"""What the settings of all kinds of studies share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import ConfigDict, Field

from remerge.run.settings import Name, Strict

Methods = Annotated[list[Name], Field(min_length=1, description="Methods to compare; none may be tuned.")]


class Costs(Protocol):
    """What scoring and learning cost, in forward passes of one image."""

    def images(self, tasks: Sequence[str], split: str = "test") -> int:
        """Return how many images some tasks have of a split."""

    def learning(self, method: str, tasks: int) -> float:
        """Return what a method takes to learn from some number of tasks; 0 if it learns nothing."""


class Study(Strict, ABC):
    """What all studies share; the workflow and the doctor ask it what a study needs, whatever its kind."""

    model_config = ConfigDict(model_title_generator=lambda model: model.__module__.rpartition(".")[2])

    fewest_tasks: ClassVar[int] = 1
    """Tasks that its suite must have."""
    looks_at_validation: ClassVar[bool] = False
    """Whether encoders are also scored on clean validation images, to choose by."""

    kind: str
    suite: Name = Field(description="The suite whose task vectors are merged.")

    @property
    def parts(self) -> list[str]:
        """What is made one by one: each is a job of its own."""
        return ["all"]

    @property
    def applied(self) -> list[str]:
        """The methods of the configuration that it applies."""
        return list(getattr(self, "methods", ()))

    def settings_of(self, part: str) -> dict[str, Any]:
        """Return, as plain values, what one part depends on: one more part does not make it run again."""
        return self.model_dump(exclude={"kind", "suite"})

    def tasks_in(self, suite: Sequence[str]) -> list[str]:
        """Return the tasks of the suite that it looks at."""
        return list(suite)

    def images_of(self, part: str) -> str:
        """Return which images of each task a part is scored on: ``test`` or ``corrupted/{corruption}-{severity}``."""
        return "test"

    @abstractmethod
    def passes(self, suite: Sequence[str], costs: Costs) -> float:
        """Return about how many forward passes of one image it takes.

        Args:
            suite: The suite's tasks.
            costs: What scoring and learning cost.
        """
