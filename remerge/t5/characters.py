"""The tokens of ``t5-mini``: a character each; nothing here imports torch."""

from collections.abc import Iterable, Sequence

from remerge.tasks.dates import MASKED

PADDING, END = 0, 1
"""Tokens of every T5: padding, with which decoding also begins, and the end of a text."""

CHARACTERS = f"{MASKED} ,-./0123456789:ACDEFHJKMNOPSTWabcdefghijklmnopqrstuvwxyzÇáäéíúûüýąčěğıłřśŞşźž"  # noqa: RUF001
"""The characters of all dates; the first one is token 2."""
VOCABULARY = 2 + len(CHARACTERS)

_IDS = {character: token for token, character in enumerate(CHARACTERS, start=2)}


def encoded(texts: Iterable[str]) -> list[list[int]]:
    """Return the tokens of texts, each with an end.

    Raises:
        KeyError: A text has a character that no date has.
    """
    return [[*(_IDS[character] for character in text), END] for text in texts]


def decoded(tokens: Sequence[int]) -> str:
    """Return the text of tokens, up to the first end and without padding."""
    length = tokens.index(END) if END in tokens else len(tokens)
    return "".join(CHARACTERS[token - 2] for token in tokens[:length] if token != PADDING)
