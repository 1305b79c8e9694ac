"""CLIP encoders: the architectures, built by open_clip, and the way images enter them."""

from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from torch import Tensor, nn

from remerge.errors import RemergeError
from remerge.weights import load_weights, read_metadata

# A CLIP small enough to be pre-trained in a minute on two cores.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "mini": {
        "embed_dim": 128,
        "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 128, "layers": 4, "head_width": 32},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 128, "heads": 4, "layers": 2},
    },
}


def build_clip(architecture: str) -> open_clip.CLIP:
    """Return a CLIP of this architecture with random weights, both towers.

    Raises:
        RemergeError: The architecture is unknown.
    """
    if architecture not in ARCHITECTURES:
        raise RemergeError(f"unknown architecture {architecture!r}; known: {', '.join(ARCHITECTURES)}")
    return open_clip.CLIP(**ARCHITECTURES[architecture])


def tokenizer(architecture: str) -> open_clip.SimpleTokenizer:
    """Return the tokenizer of this architecture's text tower."""
    return open_clip.SimpleTokenizer(context_length=ARCHITECTURES[architecture]["text_cfg"]["context_length"])


def load_encoder(path: str | Path) -> nn.Module:
    """Return the image encoder stored in a safetensors file, in evaluation mode.

    The module maps float ``[n, 3, height, width]`` (see :func:`to_input`) to features ``[n, d]``, not normalised.

    Raises:
        RemergeError: The file does not tell its architecture, or its weights are not those of an image encoder.
    """
    architecture = read_metadata(path).get("architecture")
    if architecture is None:
        raise RemergeError(f"{path}: the file's header does not tell its architecture")
    # Only the image tower is wanted: on the meta device the text tower costs nothing.
    with torch.device("meta"):
        encoder = build_clip(architecture).visual
    try:
        encoder.load_state_dict(dict(load_weights(path)), assign=True)
    except RuntimeError as error:
        raise RemergeError(f"{path}: not an image encoder of architecture {architecture!r}: {error}") from error
    return encoder.eval()


def to_input(images: Tensor) -> Tensor:
    """Scale and normalise images as CLIP does.

    Args:
        images: uint8 ``[n, height, width, 3]`` on any device.

    Returns:
        float32 ``[n, 3, height, width]`` on the same device.
    """
    mean = torch.tensor(OPENAI_DATASET_MEAN, device=images.device)
    std = torch.tensor(OPENAI_DATASET_STD, device=images.device)
    return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()
