"""What methods' parameters are made of, and the base of every method's model of them."""

from types import ModuleType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, FiniteFloat, Tag

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"

# File names may have 255 bytes, in some file systems 143, and are longer than this by suffixes.
Name = Annotated[str, Field(pattern=NAME, max_length=100)]
Share = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[FiniteFloat, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]
# As long as a legend has room for.
Label = Annotated[str, Field(min_length=1, max_length=60)]


def _each_once(values: list[float]) -> list[float]:
    if len(set(values)) != len(values):
        raise ValueError("a value is listed twice")
    return values


Grid = Annotated[list[FiniteFloat], AfterValidator(_each_once)]


def _no_braces(path: str) -> str:
    # Snakemake takes braces in an input's name for wildcards.
    if "{" in path or "}" in path:
        raise ValueError("a path may have no braces here; rename the file or folder")
    return path


InputPath = Annotated[Text, AfterValidator(_no_braces)]


class Strict(BaseModel):
    """Unknown keys are refused, and nothing is converted silently: a quoted number is no number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


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

    def merging_parameters(self) -> dict[str, Any]:
        """The parameters that the merged task vector depends on, beside what is computed first."""
        return {key: value for key, value in self.parameters().items() if key != "scaling"}


class StatisticsMethod(Method):
    """What methods share that merge by statistics of the experts."""

    images: int = Field(256, ge=1, description="Unlabeled validation images per task; published: of training images.")

    def merging_parameters(self) -> dict[str, Any]:
        """The parameters that the merged task vector depends on, once statistics are there."""
        return {key: value for key, value in super().merging_parameters().items() if key != "images"}


def parameters_in(module: ModuleType) -> type[Method]:
    """Return the model of a method's parameters, the one :class:`Method` that its file defines."""
    defined = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
    (model,) = [value for value in defined if isinstance(value, type) and issubclass(value, Method)]
    return model
