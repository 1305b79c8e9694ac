"""Traditional multi-task learning: training where the others merge."""

from dataclasses import dataclass
from typing import Literal

from remerge.methods.parameters import Method, parameter


@dataclass(frozen=True, kw_only=True)
class TraditionalMTL(Method):
    """One encoder trained on all tasks of a suite at once; only for pools that are fine-tuned here."""

    algorithm: Literal["traditional_mtl"]
    steps: int = parameter(400, ge=1, description="Optimiser steps; the rest is as in `training.finetuning`.")
