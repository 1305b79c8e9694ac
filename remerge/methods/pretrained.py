"""The pre-trained encoder: what merging starts from."""

from typing import Literal

from remerge.methods.parameters import Method


class Pretrained(Method):
    """The pre-trained encoder with zero-shot heads: the floor."""

    algorithm: Literal["pretrained"]
