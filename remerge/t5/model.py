"""T5 version 1.1 (arXiv:1910.10683; section 2.1 of arXiv:2210.11416 for Flan-T5), with transformers' parameter names.

Its attention has no factor of 1 / sqrt(d), its norms have no mean and no bias, positions enter through a bias that the
first block of each stack learns for all its blocks, feed-forward layers are gated, and the output matrix is not the
embedding's.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from remerge.t5.architectures import Architecture
from remerge.t5.characters import PADDING

BUCKETS, FARTHEST = 32, 128


class KeysValues(NamedTuple):
    """Keys and values of one attention layer, each ``[n, heads, tokens, head width]``."""

    keys: Tensor
    values: Tensor


class RMSNorm(nn.Module):
    """Divides features by their root mean square and multiplies them by a learned weight."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape, ``[..., width]``."""
        return self.weight * features * torch.rsqrt(features.square().mean(dim=-1, keepdim=True) + 1e-6)


def position_buckets(queries: Tensor, keys: Tensor, *, both_ways: bool) -> Tensor:
    """Return the bucket of every pair of positions: one per short distance, logarithmically wider ones beyond.

    Args:
        queries: int64 ``[q]``, positions of the queries.
        keys: int64 ``[k]``, positions of the keys.
        both_ways: Whether half of the buckets is for keys after the query; otherwise these share the first bucket.

    Returns:
        int64 ``[q, k]``, at least 0 and below 32.
    """
    distance = keys[None] - queries[:, None]
    buckets, first = BUCKETS, torch.zeros_like(distance)
    if both_ways:
        buckets //= 2
        first = (distance > 0) * buckets
        distance = distance.abs()
    else:
        distance = (-distance).clamp(min=0)
    exact = buckets // 2
    share = torch.log(distance.clamp(min=1) / exact) / math.log(FARTHEST / exact)
    far = (exact + (share * (buckets - exact)).long()).clamp(max=buckets - 1)
    return first + torch.where(distance < exact, distance, far)


class Attention(nn.Module):
    """Multi-head attention without biases and without scaling of its logits."""

    def __init__(self, like: Architecture, *, has_positions: bool = False) -> None:
        super().__init__()
        inner = like.heads * like.head_width
        self.heads = like.heads
        self.q = nn.Linear(like.width, inner, bias=False)
        self.k = nn.Linear(like.width, inner, bias=False)
        self.v = nn.Linear(like.width, inner, bias=False)
        self.o = nn.Linear(inner, like.width, bias=False)
        if has_positions:
            self.relative_attention_bias = nn.Embedding(BUCKETS, like.heads)

    def keys_values(self, features: Tensor) -> KeysValues:
        """Return the keys and values of features, ``[n, tokens, width]``."""
        return KeysValues(self._in_heads(self.k(features)), self._in_heads(self.v(features)))

    def forward(self, features: Tensor, attended: KeysValues, bias: Tensor) -> Tensor:
        """Return what features attend to, ``[n, tokens, width]``.

        Args:
            features: ``[n, tokens, width]``, from which queries are made.
            attended: Keys and values.
            bias: Added to the logits, ``[n or 1, heads or 1, tokens or 1, attended tokens]``.
        """
        queries = self._in_heads(self.q(features))
        heads = functional.scaled_dot_product_attention(queries, *attended, attn_mask=bias, scale=1.0)
        return self.o(heads.transpose(1, 2).flatten(2))

    def _in_heads(self, features: Tensor) -> Tensor:
        return features.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class SelfAttention(nn.Module):
    """The layer of a block in which tokens attend to each other."""

    def __init__(self, like: Architecture, *, has_positions: bool) -> None:
        super().__init__()
        self.SelfAttention = Attention(like, has_positions=has_positions)
        self.layer_norm = RMSNorm(like.width)

    def forward(self, features: Tensor, bias: Tensor, past: KeysValues | None = None) -> tuple[Tensor, KeysValues]:
        """Return the features after the layer, and the keys and values of these and all ``past`` tokens."""
        normed = self.layer_norm(features)
        attended = self.SelfAttention.keys_values(normed)
        if past is not None:
            attended = KeysValues(*(torch.cat(both, dim=2) for both in zip(past, attended, strict=True)))
        return features + self.SelfAttention(normed, attended, bias), attended


class CrossAttention(nn.Module):
    """The layer of a decoder's block in which tokens attend to the text that was read."""

    def __init__(self, like: Architecture) -> None:
        super().__init__()
        self.EncDecAttention = Attention(like)
        self.layer_norm = RMSNorm(like.width)

    def forward(self, features: Tensor, read: KeysValues, bias: Tensor) -> Tensor:
        """Return the features after the layer, ``[n, tokens, width]``."""
        return features + self.EncDecAttention(self.layer_norm(features), read, bias)


class GatedGELU(nn.Module):
    """The matrices of a feed-forward layer: two in, of which one gates the other, and one out."""

    def __init__(self, like: Architecture) -> None:
        super().__init__()
        self.wi_0 = nn.Linear(like.width, like.hidden, bias=False)
        self.wi_1 = nn.Linear(like.width, like.hidden, bias=False)
        self.wo = nn.Linear(like.hidden, like.width, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape, ``[..., width]``."""
        return self.wo(functional.gelu(self.wi_0(features), approximate="tanh") * self.wi_1(features))


class FeedForward(nn.Module):
    """The layer of a block that treats every token by itself."""

    def __init__(self, like: Architecture) -> None:
        super().__init__()
        self.DenseReluDense = GatedGELU(like)
        self.layer_norm = RMSNorm(like.width)

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape, ``[..., width]``."""
        return features + self.DenseReluDense(self.layer_norm(features))


class Block(nn.Module):
    """Self-attention, in a decoder also cross-attention, and a feed-forward layer."""

    def __init__(self, like: Architecture, *, decodes: bool, has_positions: bool) -> None:
        super().__init__()
        cross = [CrossAttention(like)] if decodes else []
        self.layer = nn.ModuleList([SelfAttention(like, has_positions=has_positions), *cross, FeedForward(like)])


class Stack(nn.Module):
    """The encoder's or the decoder's blocks."""

    block: Any
    """A ``nn.ModuleList``, to type checkers a list of any modules."""

    def __init__(self, like: Architecture, *, decodes: bool) -> None:
        super().__init__()
        self.decodes = decodes
        self.block = nn.ModuleList(
            [Block(like, decodes=decodes, has_positions=index == 0) for index in range(like.layers)]
        )
        self.final_layer_norm = RMSNorm(like.width)

    def position_bias(self, first: int, tokens: int) -> Tensor:
        """Return the bias of the queries from position ``first`` on, ``[1, heads, tokens - first, tokens]``.

        A decoder's queries do not see later tokens: their bias is minus infinity.
        """
        embedding = self.block[0].layer[0].SelfAttention.relative_attention_bias
        positions = torch.arange(tokens, device=embedding.weight.device)
        queries = positions[first:]
        bias = embedding(position_buckets(queries, positions, both_ways=not self.decodes)).permute(2, 0, 1)
        return bias.masked_fill(positions[None] > queries[:, None], -math.inf)[None] if self.decodes else bias[None]


class T5(nn.Module):
    """An encoder-decoder for texts of tokens.

    Args:
        like: Its architecture. Weights are drawn as published: with variances that make up for the missing scaling of
            attention.
    """

    def __init__(self, like: Architecture) -> None:
        super().__init__()
        self.shared = nn.Embedding(like.vocabulary, like.width)
        self.encoder = Stack(like, decodes=False)
        self.decoder = Stack(like, decodes=True)
        self.lm_head = nn.Linear(like.width, like.vocabulary, bias=False)
        inner = like.heads * like.head_width
        deviations = {"shared": 1.0, "q": (like.width * like.head_width) ** -0.5, "o": inner**-0.5}
        deviations["wo"] = like.hidden**-0.5
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=deviations.get(name.split(".")[-2], like.width**-0.5))

    def read(self, texts: Tensor) -> tuple[Tensor, Tensor]:
        """Encode texts.

        Args:
            texts: int64 ``[n, tokens]``; 0 is padding.

        Returns:
            Features ``[n, tokens, width]``, and the bias ``[n, 1, 1, tokens]`` that hides padding from attention.
        """
        visible = torch.where(texts == PADDING, -math.inf, 0.0)[:, None, None]
        bias = visible + self.encoder.position_bias(0, texts.shape[1])
        features = self.shared(texts)
        for block in self.encoder.block:
            attention, feed_forward = block.layer
            features = feed_forward(attention(features, bias)[0])
        return self.encoder.final_layer_norm(features), visible

    def attended(self, read: Tensor) -> list[KeysValues]:
        """Return the keys and values that each block of the decoder has of the features of :meth:`read`."""
        return [block.layer[1].EncDecAttention.keys_values(read) for block in self.decoder.block]

    def write(
        self, tokens: Tensor, read: list[KeysValues], visible: Tensor, past: list[KeysValues] | None = None
    ) -> tuple[Tensor, list[KeysValues]]:
        """Continue answers.

        Args:
            tokens: int64 ``[n, tokens]``: the answers so far, which begin with 0, or those tokens that are not in
                ``past``.
            read: From :meth:`attended`.
            visible: From :meth:`read`.
            past: What the previous call returned.

        Returns:
            Logits ``[n, tokens, vocabulary]`` of the token after each, and what the next call needs as ``past``.
        """
        first = 0 if past is None else past[0].keys.shape[2]
        bias = self.decoder.position_bias(first, first + tokens.shape[1])
        features, so_far = self.shared(tokens), []
        for index, (block, text) in enumerate(zip(self.decoder.block, read, strict=True)):
            attention, cross_attention, feed_forward = block.layer
            features, attended = attention(features, bias, past[index] if past else None)
            features = feed_forward(cross_attention(features, text, visible))
            so_far.append(attended)
        return self.lm_head(self.decoder.final_layer_norm(features)), so_far

    def forward(self, texts: Tensor, answers: Tensor) -> Tensor:
        """Return the logits of every token of known answers, given those before it.

        Args:
            texts: int64 ``[n, tokens]``; 0 is padding.
            answers: int64 ``[n, answer's tokens]``, without the 0 with which decoding begins.

        Returns:
            float32 ``[n, answer's tokens, vocabulary]``.
        """
        read, visible = self.read(texts)
        return self.write(functional.pad(answers[:, :-1], (1, 0), value=PADDING), self.attended(read), visible)[0]
