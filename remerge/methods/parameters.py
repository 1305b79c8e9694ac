"""What methods' parameters are made of, and the base of every method's data class of them."""

import operator
from collections.abc import Mapping, Set
from dataclasses import MISSING, Field, asdict, dataclass, field
from types import ModuleType
from typing import Any, ClassVar, Literal, NewType

from remerge.methods import load


def parameter(default: Any = MISSING, *, description: str, **bounds: float) -> Any:
    """Return a field of a data class of parameters.

    Args:
        default: Its default; without one it must be given.
        description: What it means, for config/README.md and ``remerge merge --help``.
        bounds: ``gt``, ``ge``, ``lt`` and ``le`` of a number; ``min_length`` and ``max_length`` of a text or list.
    """
    metadata = {"description": description, **bounds}
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


InputPath = NewType("InputPath", str)
"""A file of the user's that jobs read."""

MethodName = NewType("MethodName", str)
"""The name of another method of the configuration, which merges into one encoder."""

Around = NewType("Around", dict[str, Any])
"""Algorithm and parameters of the method that a plug-in wraps; see :mod:`remerge.methods.plug_ins`."""


@dataclass(frozen=True, kw_only=True)
class Tune:
    """A scaling chosen by accuracy on validation images; test images are never looked at."""

    tune: Literal["validation"] = parameter(description="What to choose by. Only `validation` is possible.")
    grid: list[float] = parameter(min_length=1, description="The scalings to choose from.")


Scaling = float | Tune


@dataclass(frozen=True, kw_only=True)
class Method:
    """What all methods share."""

    trims: ClassVar[bool] = False
    """Whether a share of the flattened task vector's entries is kept; merging is then told the ``frozen_entries``."""
    beside_merging: ClassVar[frozenset[str]] = frozenset({"scaling"})
    """Parameters that the merged task vector does not depend on."""
    most_tasks: ClassVar[int | None] = None
    """The most tasks that it can merge; None for any number."""
    learns_on: ClassVar[str] = ""
    """The split of images that its router is learned from, if it has one."""

    # As long as a legend has room for.
    label: str = parameter(min_length=1, max_length=60, description="The name that tables and figures show; unique.")
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
    def adapts(self) -> str:
        """The name of the method whose encoder it adapts; empty if it merges by itself."""
        return ""

    @property
    def algorithms(self) -> list[str]:
        """Its algorithm and, if it wraps another method, that one's."""
        return [self.algorithm]

    @property
    def svd_layout(self) -> str:
        """How attention's projections are taken apart in the task vectors whose decompositions it merges by.

        One of :data:`remerge.merging.matrices.Qkv`; empty if it merges by none. The workflow makes these decompositions
        once, for all methods; see :mod:`remerge.merging.decompositions`.
        """
        return ""

    @property
    def files(self) -> list[str]:
        """Files of the user's that it merges by."""
        return []

    @property
    def variant(self) -> str:
        """What figures tell apart by colour among methods of the same algorithm; empty where that is nothing."""
        return ""

    def check_given(self, given: Set[str]) -> None:
        """Check parameters against each other.

        Args:
            given: Names of those that the configuration gives, rather than leaves at their defaults.

        Raises:
            ParameterError: One has no meaning beside another.
        """

    def parameters(self) -> dict[str, Any]:
        """The algorithm's parameters as plain values."""
        return {name: value for name, value in asdict(self).items() if name not in ("label", "algorithm")}

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


@dataclass(frozen=True, kw_only=True)
class StatisticsMethod(Method):
    """What methods share that look at some images of every task."""

    beside_merging = frozenset({"scaling", "images"})

    images: int = parameter(
        256, ge=1, description="Unlabeled validation images per task; published: of training images."
    )

    def passes(self, tasks: int) -> int:
        """How many forward passes it makes of every image, given the number of merged tasks; a backward pass is two."""
        return 3


def parameters_in(module: ModuleType) -> type[Method]:
    """Return the data class of a method's parameters, the one :class:`Method` that its file defines."""
    defined = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
    (parameters,) = [value for value in defined if isinstance(value, type) and issubclass(value, Method)]
    return parameters


BOUNDS = {
    "gt": (operator.gt, "greater than"),
    "ge": (operator.ge, "at least"),
    "lt": (operator.lt, "less than"),
    "le": (operator.le, "at most"),
}


def out_of_bounds(parameter: Field[Any], value: Any) -> str:
    """Return which bound of a parameter a number is out of, such as "at most 1"; empty if none."""
    for bound, (holds, words) in BOUNDS.items():
        if bound in parameter.metadata and not holds(value, limit := parameter.metadata[bound]):
            return f"{words} {limit:g}"
    return ""


def method_of(described: Mapping[str, Any] | str) -> Method:
    """Return a method, given its algorithm or, with or without a label, that and its parameters as plain values."""
    if isinstance(described, str):
        described = {"algorithm": described}
    return parameters_in(load(described["algorithm"]))(**{"label": "-", **described})
