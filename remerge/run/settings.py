"""Types shared by the parts of the configuration."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"

# File names may have 255 bytes, or 143 on some file systems, and have suffixes in addition to the name.
Name = Annotated[str, Field(pattern=NAME, max_length=100)]
Text = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


def _no_braces(path: str) -> str:
    # Snakemake treats braces in the name of an input as wildcards.
    if "{" in path or "}" in path:
        raise ValueError("a path may have no braces here; rename the file or folder")
    return path


InputPath = Annotated[Text, AfterValidator(_no_braces)]


def _each_once(values: list[float]) -> list[float]:
    if len(set(values)) != len(values):
        raise ValueError("a value is listed twice")
    return values


Grid = Annotated[list[float], AfterValidator(_each_once)]


class Strict(BaseModel):
    """Refuses unknown keys and does not convert types: neither a quoted number nor NaN is a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
