"""Traditional multi-task learning: training where the others merge."""

from typing import Literal

from pydantic import Field

from remerge.methods.parameters import Method


class TraditionalMTL(Method):
    """One encoder trained on all tasks of a suite at once; only for pools that are fine-tuned here."""

    algorithm: Literal["traditional_mtl"]
    steps: int = Field(400, ge=1, description="Optimiser steps; the rest is as in `training.finetuning`.")
