"""A pre-trained CLIP in few bytes: in half precision, and without token embeddings, which are drawn, not trained."""

import numpy as np
import torch
from torch import Tensor

from remerge.checkpoints.weights import Weights
from remerge.clip.towers import both_towers, build_meta

EMBEDDINGS = "token_embedding.weight"
# open_clip's token embeddings start ten times smaller: names with many words in common then stay similar for hundreds
# of steps.
DEVIATION = 0.2


def token_embeddings(vocabulary: int, width: int) -> Tensor:
    """Draw token embeddings, the same bits on every machine.

    Returns:
        float32 ``[vocabulary, width]``, uniform with mean 0 and standard deviation 0.2.
    """
    # NumPy guarantees the generator's integers alone, not what distributions make of them.
    raw = np.random.PCG64(0).random_raw(vocabulary * width) >> np.uint64(40)
    uniform = raw.astype(np.float32) / np.float32(2**23) - np.float32(1)
    return torch.from_numpy(uniform.reshape(vocabulary, width) * np.float32(3**0.5 * DEVIATION))


def packed(clip: Weights) -> dict[str, Tensor]:
    """Return a CLIP's weights in float16, without its token embeddings."""
    return {key: clip[key].half() for key in clip if key != EMBEDDINGS}


def unpacked(weights: Weights, architecture: str) -> dict[str, Tensor]:
    """Return the CLIP that :func:`packed` made the weights of, rounded to half precision, in float32.

    Raises:
        MismatchError: They are not those of the architecture; the message names the keys.
    """
    vocabulary, width = build_meta(architecture)[EMBEDDINGS].shape
    drawn = {EMBEDDINGS: token_embeddings(vocabulary, width)}
    return both_towers({**{key: weights[key] for key in weights}, **drawn}, architecture)
