"""The pre-trained encoder: what merging starts from."""

from dataclasses import dataclass
from typing import Literal

from remerge.methods.parameters import Method


@dataclass(frozen=True, kw_only=True)
class Pretrained(Method):
    """The pre-trained encoder with zero-shot heads: the floor."""

    algorithm: Literal["pretrained"]
