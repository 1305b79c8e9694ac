"""Types shared by the parts of the configuration."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"

# File names may have 255 bytes, or 143 on some file systems, and have suffixes in addition to the name.
Name = Annotated[str, Field(pattern=NAME, max_length=100)]
Share = Annotated[float, Field(gt=0, le=1)]


def _each_once(values: list[float]) -> list[float]:
    if len(set(values)) != len(values):
        raise ValueError("a value is listed twice")
    return values


Grid = Annotated[list[FiniteFloat], AfterValidator(_each_once)]


class Strict(BaseModel):
    """Refuses unknown keys and does not convert types: a quoted number is not a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
