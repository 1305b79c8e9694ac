"""Greedy decoding: the likeliest token, over and over."""

import torch
from torch import Tensor

from remerge.t5.characters import END, PADDING
from remerge.t5.model import T5


@torch.inference_mode()
def decode(model: T5, texts: Tensor, at_most: int) -> Tensor:
    """Return the model's answers.

    Args:
        model: A T5.
        texts: int64 ``[n, tokens]``, on the model's device; 0 is padding.
        at_most: Number of tokens after which answers are cut off.

    Returns:
        int64 ``[n, tokens]`` with at most that many tokens, on the model's device. Answers end with 1, after which
        there is only padding; an answer that was cut off has no 1.
    """
    features, visible = model.read(texts)
    read, past = model.attended(features), None
    token = texts.new_full((len(texts), 1), PADDING)
    has_ended = torch.zeros_like(token, dtype=torch.bool)
    answers = []
    for _ in range(at_most):
        logits, past = model.write(token, read, visible, past)
        token = logits.argmax(dim=-1).masked_fill(has_ended, PADDING)
        has_ended |= token == END
        answers.append(token)
        if has_ended.all():
            break
    return torch.cat(answers, dim=1)
