"""Flan-T5 as published on the Hugging Face Hub, in transformers' format."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from remerge.checkpoints.differences import listed
from remerge.checkpoints.weights import Weights
from remerge.errors import MismatchError, RemergeError
from remerge.t5.architectures import ARCHITECTURES
from remerge.t5.characters import END, PADDING
from remerge.t5.model import BUCKETS, FARTHEST, T5

# transformers' names of the one embedding in encoder and decoder.
COPIES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")


def check_config(config: Mapping[str, Any], architecture: str) -> None:
    """Refuse a checkpoint whose ``config.json`` is of another model than an architecture's.

    Args:
        config: transformers' configuration of a T5.
        architecture: The expected architecture.

    Raises:
        RemergeError: It differs; the message says how.
    """
    like = ARCHITECTURES[architecture]
    expected = {
        "vocab_size": like.vocabulary,
        "d_model": like.width,
        "d_ff": like.hidden,
        "num_heads": like.heads,
        "d_kv": like.head_width,
        "num_layers": like.layers,
        "num_decoder_layers": like.layers,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
        "relative_attention_num_buckets": BUCKETS,
        "relative_attention_max_distance": FARTHEST,
        "layer_norm_epsilon": 1e-6,
        "decoder_start_token_id": PADDING,
        "pad_token_id": PADDING,
        "eos_token_id": END,
    }
    # Older files lack what has a default in transformers.
    found = {key: config.get(key, value) for key, value in expected.items()}
    if wrong := [f"`{key}` is {found[key]!r}, not {value!r}" for key, value in expected.items() if found[key] != value]:
        raise RemergeError(f"config.json is not that of {architecture}: {', '.join(wrong)}")


def checked_t5(weights: Weights, architecture: str) -> dict[str, Tensor]:
    """Return a model's weights in float32, without further copies of its embedding.

    Args:
        weights: Weights with transformers' names.
        architecture: Key of :data:`remerge.t5.architectures.ARCHITECTURES`.

    Raises:
        MismatchError: A tensor is missing, unknown or of another shape; the message names up to ten.
    """
    with torch.device("meta"):
        shapes = {key: tensor.shape for key, tensor in T5(ARCHITECTURES[architecture]).state_dict().items()}
    found = {key: tensor for key, tensor in weights.items() if key not in COPIES}
    faults = [f"{key!r} is missing" for key in shapes if key not in found]
    faults += [f"{key!r} is unknown" for key in found if key not in shapes]
    faults += [
        f"{key!r} has shape {list(found[key].shape)}, not {list(shape)}"
        for key, shape in shapes.items()
        if key in found and found[key].shape != shape
    ]
    if faults:
        raise MismatchError(f"not the weights of {architecture}:{listed(faults)}")
    return {key: tensor.float() for key, tensor in found.items()}
