"""T5 architectures as plain data, which configuration checks read without importing torch."""

from dataclasses import dataclass

from remerge.t5.characters import VOCABULARY


@dataclass(frozen=True)
class Architecture:
    """One T5 of version 1.1, as Flan-T5 is.

    Attributes:
        vocabulary: Number of tokens.
        width: Length of the features between layers (``d_model``).
        hidden: Length of the hidden features of feed-forward layers (``d_ff``).
        heads: Attention heads per layer.
        head_width: Length of each head's queries, keys and values (``d_kv``); ``heads * head_width`` may differ from
            ``width``.
        layers: Blocks of the encoder, and as many of the decoder.
    """

    vocabulary: int
    width: int
    hidden: int
    heads: int
    head_width: int
    layers: int


ARCHITECTURES = {
    "t5-mini": Architecture(VOCABULARY, 96, 192, 3, 32, 2),
    "flan-t5-base": Architecture(32_128, 768, 2048, 12, 64, 12),
    "flan-t5-large": Architecture(32_128, 1024, 2816, 16, 64, 24),
}
"""``t5-mini`` reads characters and is trained here; the others are Flan-T5's."""

FLAN = ("flan-t5-base", "flan-t5-large")
"""Those that follow instructions, as tasks of GLUE are put; they are downloaded."""
