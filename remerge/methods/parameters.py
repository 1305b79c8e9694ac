"""What methods' parameters are made of, and the base of every method's model of them."""

from types import ModuleType
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Discriminator, Field, FiniteFloat, Tag

from remerge.run.settings import Grid, Strict

Positive = Annotated[FiniteFloat, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]
# As long as a legend has room for.
Label = Annotated[str, Field(min_length=1, max_length=60)]


def _no_braces(path: str) -> str:
    # Snakemake takes braces in an input's name for wildcards.
    if "{" in path or "}" in path:
        raise ValueError("a path may have no braces here; rename the file or folder")
    return path


InputPath = Annotated[Text, AfterValidator(_no_braces)]


class Tune(Strict):
    """A scaling chosen by accuracy on validation images; test images are never looked at."""

    tune: Literal["validation"] = Field(description="What to choose by. Only `validation` is possible.")
    grid: Grid = Field(min_length=1, description="The scalings to choose from.")


def _kind_of_scaling(value: object) -> str:
    return "tune" if isinstance(value, dict | Tune) else "number"


Scaling = Annotated[
    Annotated[FiniteFloat, Tag("number")] | Annotated[Tune, Tag("tune")], Discriminator(_kind_of_scaling)
]


class Method(Strict):
    """What all methods share."""

    trims: ClassVar[bool] = False
    """Whether a share of the flattened task vector's entries is kept; merging is then told the ``frozen_entries``."""
    beside_merging: ClassVar[frozenset[str]] = frozenset({"scaling"})
    """Parameters that the merged task vector does not depend on."""

    label: Label = Field(description="The name that tables and figures show; unique.")
    algorithm: str

    @property
    def is_tuned(self) -> bool:
        """Whether the scaling is chosen on validation images."""
        return isinstance(getattr(self, "scaling", None), Tune)

    @property
    def learns(self) -> bool:
        """Whether coefficients are learned in this run."""
        return False

    @property
    def files(self) -> list[str]:
        """Files of the user's that it merges by."""
        return []

    @property
    def variant(self) -> str:
        """What figures tell apart by colour among methods of the same algorithm; empty where that is nothing."""
        return ""

    def parameters(self) -> dict[str, Any]:
        """The algorithm's parameters as plain values."""
        return self.model_dump(exclude={"algorithm", "label"})

    def merging_parameters(self, frozen_entries: int = 0) -> dict[str, Any]:
        """The parameters that the merged task vector depends on, once statistics or coefficients are there.

        Args:
            frozen_entries: See :func:`remerge.merging.ties.trim_thresholds`.
        """
        parameters = self.parameters()
        merging = {key: parameters[key] for key in parameters if key not in self.beside_merging}
        return merging | ({"frozen_entries": frozen_entries} if self.trims else {})

    def learning_parameters(self) -> dict[str, Any]:
        """The parameters that coefficients depend on, beside the task vectors that they scale."""
        return {}


class StatisticsMethod(Method):
    """What methods share that merge by statistics of the experts."""

    beside_merging = frozenset({"scaling", "images"})

    images: int = Field(256, ge=1, description="Unlabeled validation images per task; published: of training images.")


def parameters_in(module: ModuleType) -> type[Method]:
    """Return the model of a method's parameters, the one :class:`Method` that its file defines."""
    defined = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
    (model,) = [value for value in defined if isinstance(value, type) and issubclass(value, Method)]
    return model
