"""T5 models in files, and texts as their input."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from remerge.checkpoints.headers import read_metadata
from remerge.checkpoints.weights import check_finite, load_weights
from remerge.errors import RemergeError
from remerge.t5.architectures import ARCHITECTURES
from remerge.t5.characters import PADDING
from remerge.t5.model import T5


def build_t5(path: str | Path) -> T5:
    """Return a model of the architecture that a weights file was made for, with random weights.

    Raises:
        RemergeError: The header has no architecture of a T5.
    """
    architecture = read_metadata(path).get("architecture")
    if architecture not in ARCHITECTURES:
        raise RemergeError(f"{path}: the header has architecture {architecture!r}; known: {', '.join(ARCHITECTURES)}")
    return T5(ARCHITECTURES[architecture])


def load_t5(path: str | Path) -> T5:
    """Return the model stored in a safetensors file, in evaluation mode.

    Raises:
        RemergeError: The header has no architecture of a T5, or the weights are not those of one or not finite.
    """
    model, weights = build_t5(path), dict(load_weights(path))
    check_finite(path, weights, "delete it to have it made again")
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise RemergeError(f"{path}: not the weights of its architecture: {error}") from error
    return model.eval()


def padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """Return the tokens of texts as int64 ``[n, tokens of the longest]``, padded at the end."""
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=PADDING)
