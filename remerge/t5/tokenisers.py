"""What turns texts into tokens: characters for ``t5-mini``, for other models the tokenisers published with them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from remerge.errors import RemergeError
from remerge.t5 import characters
from remerge.t5.characters import END, PADDING

MOST = 512
"""Tokens of a text at most, as Flan-T5's tokeniser has it; longer texts are cut off."""


class Tokeniser(Protocol):
    """Turns texts into tokens and back."""

    def encoded(self, texts: Iterable[str]) -> list[list[int]]:
        """Return the tokens of texts, each with an end."""

    def decoded(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, up to the first end and without padding."""


class Subwords:
    """A tokeniser in the format of the library tokenizers, ``tokenizer.json``."""

    def __init__(self, path: str | Path) -> None:
        """Read a tokeniser.

        Raises:
            RemergeError: The file cannot be read, or is of a model whose texts end with another token than T5's.
        """
        # Nothing else needs it.
        from tokenizers import Tokenizer

        try:
            self._tokeniser = Tokenizer.from_file(str(path))
        # The library raises nothing more special, for whatever is wrong.
        except Exception as error:
            raise RemergeError(f"{path}: not a tokeniser: {error}; delete it to have it made again") from error
        if self._tokeniser.encode("").ids != [END]:
            raise RemergeError(f"{path}: its texts do not end with token {END}, as those of T5 do")
        self._tokeniser.no_padding()
        self._tokeniser.enable_truncation(MOST)

    def encoded(self, texts: Iterable[str]) -> list[list[int]]:
        """Return the tokens of texts, each with an end; texts of more than :data:`MOST` tokens are cut off."""
        return [encoding.ids for encoding in self._tokeniser.encode_batch(list(texts))]

    def decoded(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, up to the first end and without padding and other special tokens."""
        length = tokens.index(END) if END in tokens else len(tokens)
        kept = [token for token in tokens[:length] if token != PADDING]
        return str(self._tokeniser.decode(kept, skip_special_tokens=True))


def load_tokeniser(path: str | Path | None) -> Tokeniser:
    """Return the tokeniser in a file, or the characters of ``t5-mini`` if there is none.

    Raises:
        RemergeError: See :class:`Subwords`.
    """
    return Subwords(path) if path else characters
