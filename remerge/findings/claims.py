"""The papers' claims as data: reading them, and translating them to the names of a run."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from remerge.errors import RemergeError
from remerge.methods.measured import Measured, Methods
from remerge.run.strict_yaml import read_yaml
from remerge.scoring.scores import KEYS
from remerge.studies.kind import load
from remerge.studies.registry import KINDS

AUTHORS = "task-vectors"
"""Origin of the checkpoints on which the papers' numbers were measured."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OfMethod(_Strict):
    """A row of the main table."""

    method: str


class OfSweep(_Strict):
    """A point of the curve over lambda."""

    sweep: str
    scaling: float | Literal["best"]


class OfTrajectory(_Strict):
    """A step of AdaMerging."""

    trajectory: str
    step: int | Literal["first", "last"]


class OfStudy(BaseModel):
    """Encoders of a study: rows of its score files, selected by values of columns and of its kind's ``LABELS``."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, str | float]

    study: str

    @property
    def columns(self) -> Mapping[str, str | float]:
        """The required value of each column."""
        return self.__pydantic_extra__

    @model_validator(mode="after")
    def _of_known_columns(self) -> "OfStudy":
        labels = _labels()
        for column, value in self.columns.items():
            if column not in KEYS and column not in labels:
                raise ValueError(f"no column {column!r}; known: {', '.join([*KEYS, *labels])}")
            if column in labels and value not in labels[column]:
                raise ValueError(f"{column} is {' or '.join(labels[column])}, not {value!r}")
        return self


def _labels() -> dict[str, tuple[str, ...]]:
    """Columns, beyond those of score files, that some kind of study uses to identify encoders, and their values."""
    labels: dict[str, tuple[str, ...]] = {}
    for kind in KINDS:
        for column, values in getattr(load(kind), "LABELS", {}).items():
            labels[column] = (*labels.get(column, ()), *values)
    return labels


class OfBest(_Strict):
    """The best merged encoder of the main table on test images."""

    best_of: Literal["merged"]


Side = OfMethod | OfSweep | OfTrajectory | OfStudy | OfBest


class Published(_Strict):
    """The papers' numbers, and the family of checkpoints and the encoder they were measured on."""

    above: float
    below: float
    source: str
    encoder: str
    origin: str

    @property
    def sources(self) -> tuple[str, ...]:
        """Keys of the sources: one, or one for each side."""
        return tuple(self.source.split(", "))


class Claim(_Strict):
    """One claim: ``above`` is better than ``below`` by at least ``by`` points of average accuracy."""

    statement: str
    paper: Annotated[str, Field(pattern=r"^\d{4}\.\d{5}$")]
    section: str
    above: Side
    below: Side
    by: float = 0.0
    published: Published | None = None
    other_parameters: tuple[str, ...] = ()
    """Methods whose parameters in the run differ from the published ones; :func:`of_run` fills it in."""


def read_claims(path: str | Path) -> dict[str, Claim]:
    """Read a file of claims, by id.

    Raises:
        RemergeError: The file is invalid; the message names every claim and key at fault.
    """
    content = read_yaml(Path(path))
    claims, faults = {}, []
    for name, entry in content.items():
        try:
            claims[str(name)] = Claim.model_validate(entry)
        except ValidationError as error:
            faults += [f"{path}: {name}{_where(details['loc'])}: {details['msg']}" for details in error.errors()]
    if faults:
        raise RemergeError("\n".join(dict.fromkeys(faults)))
    return claims


def _where(location: tuple[int | str, ...]) -> str:
    # A side is a union of types, and pydantic reports the errors of each member.
    return "".join(f".{part}" for part in location if not str(part).startswith(("Of", "function-")))


def of_run(
    claims: Mapping[str, Claim], methods: Methods, measured: Mapping[str, Mapping[str, Measured]]
) -> dict[str, Claim]:
    """Return claims with the run's names of methods, noting methods whose parameters differ in the run.

    A method in a claim corresponds to the run's method with the published algorithm and parameters, whatever its name,
    or else to the one with the same name.

    Args:
        claims: The claims by id.
        methods: The run's methods.
        measured: Settings with which published methods were measured, by origin; claims without published numbers refer
            to the authors' settings.
    """
    fitted = {}
    for name, claim in claims.items():
        known = measured.get(claim.published.origin if claim.published else AUTHORS, {})
        sides = [side_of_run(side, methods, known) for side in (claim.above, claim.below)]
        others = tuple(dict.fromkeys(other for _, other in sides if other))
        update = {"above": sides[0][0], "below": sides[1][0], "other_parameters": others}
        fitted[name] = claim.model_copy(update=update)
    return fitted


def side_of_run(
    side: Side, methods: Methods, known: Mapping[str, Measured], but: Collection[str] = ()
) -> tuple[Side, str]:
    """Return a side with the run's name of its method, and that name if its parameters differ from the published ones.

    Args:
        side: A side of a claim.
        methods: The run's methods.
        known: The methods published for one origin.
        but: Parameters that may differ.
    """
    field = next((key for key in ("method", "sweep", "trajectory") if getattr(side, key, None)), "")
    wanted = getattr(side, field, "")
    if wanted not in known:
        return side, ""
    free = ["scaling"] if field == "sweep" else []
    same = [name for name, method in methods.items() if known[wanted].is_of(method, but=[*free, *but])]
    # Among methods that differ only in the scaling, the first has the curve.
    found = wanted if wanted in same and not free else same[0] if same else wanted
    return side.model_copy(update={field: found}), "" if same or wanted not in methods else wanted
