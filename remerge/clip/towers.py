"""The towers of a CLIP as weights, checked against their declared architecture."""

import torch
from torch import Tensor

from remerge.checkpoints.weights import Weights, check_compatible
from remerge.clip.encoders import build_clip
from remerge.errors import MismatchError

VISUAL = "visual."


def both_towers(weights: Weights, architecture: str) -> dict[str, Tensor]:
    """Return a CLIP's weights in float32, with open_clip's names.

    Raises:
        MismatchError: They are not those of the architecture; the message names the keys.
    """
    return _checked(weights, build_meta(architecture), architecture)


def image_tower(clip: Weights) -> dict[str, Tensor]:
    """Return the image encoder of a CLIP with open_clip's names."""
    return {key.removeprefix(VISUAL): clip[key] for key in clip if key.startswith(VISUAL)}


def checked_image_tower(weights: Weights, architecture: str) -> dict[str, Tensor]:
    """Return an image encoder's weights in float32.

    Raises:
        MismatchError: They are not those of the architecture; the message names the keys.
    """
    return _checked(weights, image_tower(build_meta(architecture)), architecture)


def build_meta(architecture: str) -> dict[str, Tensor]:
    """Return the names and shapes of an architecture's weights, without allocating memory for them."""
    with torch.device("meta"):
        return build_clip(architecture).state_dict()


def _checked(weights: Weights, expected: Weights, architecture: str) -> dict[str, Tensor]:
    # Older files also store the text tower's mask, which is a constant.
    found = {key: weights[key].float() for key in weights if not key.endswith("attn_mask")}
    try:
        check_compatible(expected, [found])
    except MismatchError as error:
        told = str(error).replace("fine-tuned 1", "the file").replace("the pre-trained", f"a {architecture}")
        raise MismatchError(told.replace("checkpoints differ and cannot be merged", f"not a {architecture}")) from error
    return found
