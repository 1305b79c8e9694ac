"""CLIP encoders, built by open_clip, and the normalisation of their input images."""

from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from torch import Tensor, nn

from remerge.checkpoints.headers import read_metadata
from remerge.checkpoints.weights import check_finite, load_weights
from remerge.clip.architectures import ARCHITECTURES
from remerge.errors import RemergeError

# Wide and deep for such small images, as redundant weights are what merging lives on; four patches keep it fast.
MINI: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 256, "layers": 6, "head_width": 32},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 128, "heads": 4, "layers": 2},
}


def _settings(architecture: str) -> dict[str, Any]:
    if architecture not in ARCHITECTURES:
        raise RemergeError(f"unknown architecture {architecture!r}; known: {', '.join(ARCHITECTURES)}")
    return MINI if architecture == "mini" else open_clip.get_model_config(architecture)


def build_clip(architecture: str) -> open_clip.CLIP:
    """Return a CLIP of this architecture with random weights, both towers.

    Raises:
        RemergeError: The architecture is unknown.
    """
    settings = _settings(architecture)
    return open_clip.CLIP(**settings, quick_gelu=ARCHITECTURES[architecture].activation == "quickgelu")


def tokenizer(architecture: str) -> open_clip.SimpleTokenizer:
    """Return the tokenizer of this architecture's text tower."""
    return open_clip.SimpleTokenizer(context_length=_settings(architecture)["text_cfg"]["context_length"])


def architecture_in(path: str | Path) -> str:
    """Return the architecture that a weights file was made for.

    Raises:
        RemergeError: The header lacks architecture or activation, or the activation differs from the one that the
            architecture is run with here.
    """
    metadata = read_metadata(path)
    architecture, activation = metadata.get("architecture"), metadata.get("activation")
    if architecture not in ARCHITECTURES:
        raise RemergeError(f"{path}: the header has architecture {architecture!r}; known: {', '.join(ARCHITECTURES)}")
    if activation != (expected := ARCHITECTURES[architecture].activation):
        raise RemergeError(
            f"{path}: the header has activation {activation!r}, but {architecture} is run with {expected}; "
            "the wrong one costs accuracy without any other sign"
        )
    return architecture


def load_clip(path: str | Path) -> open_clip.CLIP:
    """Return the CLIP, both towers, stored in a safetensors file, in evaluation mode.

    Raises:
        RemergeError: The header lacks the architecture, or the weights are not those of a CLIP or not finite.
    """
    return _filled(build_clip(architecture_in(path)), path).eval()


def load_encoder(path: str | Path) -> nn.Module:
    """Return the image encoder stored in a safetensors file, in evaluation mode.

    The module maps float ``[n, 3, height, width]`` (see :func:`to_input`) to features ``[n, d]``, not normalised.

    Raises:
        RemergeError: The header lacks the architecture, or the weights are not those of an image encoder or not
            finite.
    """
    # Only the image tower is needed; on the meta device the text tower costs nothing.
    with torch.device("meta"):
        encoder = build_clip(architecture_in(path)).visual
    return _filled(encoder, path, assign=True).eval()


def _filled(module: nn.Module, path: str | Path, assign: bool = False) -> nn.Module:
    try:
        weights = dict(load_weights(path))
        check_finite(path, weights, "delete it to have it made again, or replace the checkpoint it was made from")
        module.load_state_dict(weights, assign=assign)
    except RuntimeError as error:
        raise RemergeError(f"{path}: not the weights of a {read_metadata(path)['architecture']}: {error}") from error
    return module


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
