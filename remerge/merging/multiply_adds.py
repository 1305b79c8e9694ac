"""Multiplications, each with an addition, that it takes to encode one image, counted from the shapes of matrices.

Nothing here imports torch. Norms, activations and biases are not counted.
"""

from collections.abc import Mapping, Sequence
from math import prod

Shapes = Mapping[str, Sequence[int]]
"""Shapes of tensors by key."""

BLOCKS = "transformer.resblocks."
GATE = "gate."
"""What keys of the matrices that route tokens begin with, in the parts of a routed result."""
ROUTER = "router."
"""What keys of a router begin with, in the shared file of a result that has one."""


def of_encoder(shapes: Shapes) -> int:
    """Return the multiply-adds of an image encoder, open_clip's vision transformer.

    Args:
        shapes: Shapes of its weights; other keys are skipped.
    """
    tokens, width = shapes["positional_embedding"]
    layers = sum(prod(shape) for key, shape in shapes.items() if key.startswith(BLOCKS) and len(shape) == 2)
    attention = 2 * tokens * width * sum(key.startswith(BLOCKS) and key.endswith(".in_proj_weight") for key in shapes)
    patches = (tokens - 1) * prod(shapes["conv1.weight"])
    return tokens * (layers + attention) + patches + prod(shapes["proj"])


def of_nothing(shared: Shapes, parts: Sequence[Shapes]) -> int:
    """Return 0: an image takes the encoder's multiply-adds, once its weights are there."""
    return 0


def of_adapter(shared: Shapes, parts: Sequence[Shapes]) -> int:
    """Return those of the largest adapter: each of its matrices is applied once to an image's features."""
    return max((sum(prod(shape) for shape in part.values()) for part in parts), default=0)


def of_routing(shared: Shapes, parts: Sequence[Shapes]) -> int:
    """Return those of routing: in every layer, every token passes the gates of all tasks and the factors of one."""
    gates = sum(prod(shape) for part in parts for key, shape in part.items() if key.startswith(GATE))
    factors = [
        sum(prod(shape) for key, shape in part.items() if len(shape) == 2 and not key.startswith(GATE))
        for part in parts
    ]
    return shared["positional_embedding"][0] * (gates + max(factors, default=0))


def of_twins(shared: Shapes, parts: Sequence[Shapes]) -> int:
    """Return those of Twin-Merging.

    An image passes the shared expert, whose features are routed once, and every weight of the encoder that encodes it
    is a mean over tasks. What tasks keep in factors is multiplied once, for all images.
    """
    encoder = {key: shape for key, shape in shared.items() if not key.startswith(ROUTER)}
    return of_encoder(shared) + _of_routers(shared) + len(parts) * sum(map(prod, encoder.values()))


def of_mixing(shared: Shapes, parts: Sequence[Shapes]) -> int:
    """Return those of WEMoE: in every block, all tokens are routed, and every weight is a sum over the tasks' parts."""
    weights = sum(prod(shape) for part in parts for shape in part.values())
    return shared["positional_embedding"][0] * _of_routers(shared) + weights


def _of_routers(shared: Shapes) -> int:
    """Those of one pass through all routers' matrices."""
    return sum(prod(shape) for key, shape in shared.items() if key.startswith(ROUTER) and len(shape) == 2)
