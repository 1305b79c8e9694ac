"""A method of one's own: a Python file that offers ``rule``, as the modules of this package do."""

import runpy
from collections.abc import Mapping, Sequence
from typing import Any

from remerge.checkpoints.weights import Weights
from remerge.errors import ParameterError
from remerge.merging.streaming import Rule


def rule(task_vectors: Sequence[Weights], file: str, arguments: Mapping[str, Any]) -> Rule:
    """Return what the file's ``rule`` makes of the task vectors.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        file: A Python file with ``rule(task_vectors, **arguments)``, which is run as it stands.
        arguments: Passed on by name.

    Raises:
        ParameterError: The file's ``rule`` returned no :class:`Rule`.
    """
    made = runpy.run_path(file)["rule"](task_vectors, **arguments)
    if not isinstance(made, Rule):
        raise ParameterError(
            f"{file}: rule returned {type(made).__name__}; it must return a remerge.merging.streaming.Rule"
        )
    return made
