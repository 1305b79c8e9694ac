"""A method of the user's: a Python file that offers ``merge_rule``, as the methods of kind ``rule`` do."""

from __future__ import annotations

import runpy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from remerge.errors import ParameterError
from remerge.merging.rules import MergeRule
from remerge.methods.parameters import InputPath, Method, Scaling, parameter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from remerge.checkpoints.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Own(Method):
    """A data-free method of your own, in one Python file; CONTRIBUTING.md shows how short it can be."""

    algorithm: Literal["own"]
    file: InputPath = parameter(
        description="A Python file with `merge_rule(task_vectors, **arguments)`, run as it stands. A change of it "
        "merges anew; one of what it imports does not.",
    )
    arguments: dict[str, Any] = parameter({}, description="Arguments of the file's `merge_rule`, by name.")
    scaling: Scaling = parameter(0.3, description="The merging coefficient lambda.")

    @property
    def files(self) -> list[str]:
        """The file."""
        return [self.file]


def merge_rule(task_vectors: Sequence[Weights], file: str, arguments: Mapping[str, Any]) -> MergeRule:
    """Return what the file's ``merge_rule`` makes of the task vectors.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        file: A Python file with ``merge_rule(task_vectors, **arguments)``, which is run as it stands.
        arguments: Passed on by name.

    Raises:
        ParameterError: The file defines no ``merge_rule``, or what it returned is no
            :class:`remerge.merging.rules.MergeRule`.
    """
    names = runpy.run_path(file)
    if "merge_rule" not in names:
        raise ParameterError(f"{file}: defines no merge_rule(task_vectors, ...)")
    made = names["merge_rule"](task_vectors, **arguments)
    if not isinstance(made, MergeRule):
        raise ParameterError(
            f"{file}: merge_rule returned {type(made).__name__}; it must return a remerge.merging.rules.MergeRule"
        )
    return made
