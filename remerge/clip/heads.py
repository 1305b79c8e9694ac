"""Zero-shot heads: a linear classifier per task, built from class names with the pre-trained text tower."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import open_clip
import torch
from torch import Tensor
from torch.nn.functional import normalize

from remerge.checkpoints.weights import check_finite, load_weights, save_weights
from remerge.errors import RemergeError


@torch.no_grad()
def zero_shot_head(
    clip: open_clip.CLIP,
    tokenize: Callable[[list[str]], Tensor],
    classes: Sequence[str],
    templates: Sequence[str],
) -> Tensor:
    """Build a head in the same way as the Task Arithmetic authors.

    Every template is filled with the class name, encoded and normalised; a class's features are averaged,
    normalised again, and multiplied by the logit scale.

    Returns:
        float32 ``[features, classes]``; logits are ``normalize(image_features) @ head``.

    Raises:
        RemergeError: The prompts of two classes are identical up to the last token that the text tower reads.
    """
    columns = []
    known: dict[bytes, str] = {}
    for name in classes:
        texts = tokenize([template.format(name) for template in templates])
        if (other := known.setdefault(texts.numpy().tobytes(), name)) != name:
            raise RemergeError(
                f"classes {other!r} and {name!r}: the prompts are the same in all {texts.shape[1]} tokens that this "
                "text tower reads; give the classes shorter names, or names that differ earlier"
            )
        features = normalize(clip.encode_text(texts), dim=-1)
        columns.append(normalize(features.mean(dim=0), dim=-1))
    return torch.stack(columns, dim=1) * clip.logit_scale.exp()


def logits(features: Tensor, head: Tensor) -> Tensor:
    """Return class scores ``[n, classes]`` of image features ``[n, d]``: cosine similarity times logit scale."""
    return normalize(features, dim=-1) @ head


def save_head(path: str | Path, head: Tensor, metadata: dict[str, str]) -> None:
    """Write a head to a safetensors file."""
    save_weights(path, {"head": head}, metadata)


def load_head(path: str | Path) -> Tensor:
    """Read a head that :func:`save_head` wrote.

    Raises:
        RemergeError: It holds NaN or infinity.
    """
    weights = load_weights(path)
    check_finite(path, weights, "delete it to have it made again")
    return weights["head"]


def load_heads(tasks: Iterable[str], paths: Iterable[str | Path]) -> dict[str, Tensor]:
    """Read the heads of several tasks, by task; ``paths`` are in the order of ``tasks``.

    Raises:
        RemergeError: See :func:`load_head`.
    """
    return dict(zip(tasks, map(load_head, paths), strict=True))
