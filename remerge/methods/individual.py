"""The experts, each on its own task: what merging falls short of."""

from dataclasses import dataclass
from typing import Literal

from remerge.methods.parameters import Method


@dataclass(frozen=True, kw_only=True)
class Individual(Method):
    """Each task's own expert: the ceiling, and the divisor of normalised averages."""

    algorithm: Literal["individual"]
