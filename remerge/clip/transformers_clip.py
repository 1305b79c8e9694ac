"""Conversion of CLIP's image tower from transformers' names to open_clip's.

Both libraries have the same tensors under different names. open_clip stacks the query, key and value projections of
attention, and transposes the projection into the common space.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from remerge.checkpoints.weights import Weights
from remerge.clip.architectures import ARCHITECTURES
from remerge.errors import MismatchError, RemergeError

# Patch size, width and number of layers of the image tower identify the architecture.
VISION = {"ViT-B-32": (32, 768, 12), "ViT-B-16": (16, 768, 12), "ViT-L-14": (14, 1024, 24)}
# Defaults of transformers for missing fields.
DEFAULTS = {"patch_size": 32, "hidden_size": 768, "num_hidden_layers": 12, "hidden_act": "quick_gelu"}

_BLOCK = {
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
_VISION = {
    "embeddings.class_embedding": "class_embedding",
    "embeddings.patch_embedding.weight": "conv1.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    # The name is misspelt in all files since the first.
    "pre_layrnorm.weight": "ln_pre.weight",
    "pre_layrnorm.bias": "ln_pre.bias",
    "post_layernorm.weight": "ln_post.weight",
    "post_layernorm.bias": "ln_post.bias",
}


def check_config(config: Mapping[str, Any], architecture: str) -> None:
    """Refuse a checkpoint whose ``config.json`` has a different architecture or activation.

    Args:
        config: transformers' configuration of a CLIP, or of its image tower alone.
        architecture: The expected architecture.

    Raises:
        RemergeError: It differs; the message says how.
    """
    vision = DEFAULTS | dict(config.get("vision_config") or config)
    found = (vision["patch_size"], vision["hidden_size"], vision["num_hidden_layers"])
    if found != VISION[architecture]:
        raise RemergeError(
            f"config.json has patch, width and layers {found}; {architecture} has {VISION[architecture]}"
        )
    activation = str(vision["hidden_act"]).replace("_", "")
    if activation != ARCHITECTURES[architecture].activation:
        raise RemergeError(
            f"config.json has activation {vision['hidden_act']}; {architecture} is run with "
            f"{ARCHITECTURES[architecture].activation}"
        )


def image_encoder_weights(weights: Weights, projection: Tensor) -> dict[str, Tensor]:
    """Return an image tower's weights with the names of ``open_clip.CLIP(...).visual``.

    Args:
        weights: Weights of transformers' ``CLIPVisionModel``, which has no projection, or of the model with one.
        projection: The pre-trained projection, ``[width, features]``, for files without one; it was not fine-tuned.

    Raises:
        MismatchError: A tensor is missing or unknown.
    """
    prefix = "vision_model." if any(key.startswith("vision_model.") for key in weights) else ""
    own = "visual_projection.weight"
    tower = {key: weights[key] for key in weights if key != own}
    converted = _tower(tower, prefix, _VISION)
    if unknown := [key for key in tower if not key.startswith(prefix)]:
        raise MismatchError(f"not an image tower of transformers: unknown tensors {', '.join(unknown[:10])}")
    converted["proj"] = weights[own].T.contiguous() if own in weights else projection
    return converted


def _tower(weights: Weights, prefix: str, names: Mapping[str, str]) -> dict[str, Tensor]:
    """One tower's tensors with open_clip's names, without the projection into the common space."""
    converted: dict[str, Tensor] = {}
    blocks: set[str] = set()
    for key in weights:
        name = key.removeprefix(prefix)
        if not key.startswith(prefix) or name.endswith("position_ids"):
            continue
        if name in names:
            converted[names[name]] = weights[key]
        elif match := re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)", name):
            number, module, kind = match.groups()
            blocks.add(number)
            if module in _BLOCK:
                converted[f"transformer.resblocks.{number}.{_BLOCK[module]}.{kind}"] = weights[key]
            elif not re.fullmatch(r"self_attn\.[qkv]_proj", module):
                raise MismatchError(f"not a tower of transformers' CLIP: unknown tensor {key!r}")
        else:
            raise MismatchError(f"not a tower of transformers' CLIP: unknown tensor {key!r}")
    for number in blocks:
        for kind in ("weight", "bias"):
            parts = [
                _taken(weights, f"{prefix}encoder.layers.{number}.self_attn.{which}_proj.{kind}") for which in "qkv"
            ]
            converted[f"transformer.resblocks.{number}.attn.in_proj_{kind}"] = torch.cat(parts)
    if missing := sorted(set(names.values()) - set(converted)):
        raise MismatchError(f"not a tower of transformers' CLIP: nothing for {', '.join(missing)}")
    return converted


def _taken(weights: Weights, key: str) -> Tensor:
    if key not in weights:
        raise MismatchError(f"not a CLIP of transformers: {key!r} is missing")
    return weights[key]
