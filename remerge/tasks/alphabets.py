"""The characters of the rendered tasks, ten classes each, and the fonts that have them."""

import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True)
class Alphabet:
    """The characters of one task.

    Attributes:
        characters: One per class, in label order.
        fonts: Font files of matplotlib's font folder that have every character.
    """

    characters: str
    fonts: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names: the characters' Unicode names in lower case."""
        return tuple(unicodedata.name(character).lower() for character in self.characters)


_SANS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSans-Oblique.ttf")
_MONO = ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf")
_SERIF = ("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSerif-Italic.ttf")

ALPHABETS = {
    "latin": Alphabet("ABDEGKMRSW", (*_SANS, *_MONO, *_SERIF, "STIXGeneral.ttf", "STIXGeneralItalic.ttf")),
    "greek": Alphabet("αβγδθλξπφψ", (*_SANS, *_MONO, *_SERIF, "STIXGeneral.ttf")),
    "cyrillic": Alphabet("БДЖИЛФЦЭЮЯ", (*_SANS, *_MONO, *_SERIF, "STIXGeneral.ttf")),
    "georgian": Alphabet("აბგდეზთკლმ", (*_SANS[:2], *_SERIF[:2], _MONO[0])),
    "arrows": Alphabet("←↑→↓↔↕↖↗↘↙", (*_SANS[:2], *_MONO, "STIXGeneral.ttf")),
    "symbols": Alphabet("☀☁☂☃★☎☠☢☮☯", _SANS[:2]),
    "games": Alphabet("♔♕♖♗♘♙♠♣♥♦", _SANS[:2]),
}

# Pre-training draws printed digits; the task `digits` shows real handwriting.
PRINTED_DIGITS = Alphabet("0123456789", (*_SANS, *_MONO, *_SERIF, "STIXGeneral.ttf"))
PRINTED = (PRINTED_DIGITS, *ALPHABETS.values())
"""The characters that pre-training shows, in label order."""

_LETTERS = (*_SANS, *_SERIF, "STIXGeneral.ttf")

# Tasks beyond the first eight show characters of pre-training again, in other company or in another style.
REGROUPED = {
    "numerals": PRINTED_DIGITS,
    "slavic": ALPHABETS["cyrillic"],
    "hellenic": ALPHABETS["greek"],
    "kartvelian": ALPHABETS["georgian"],
    "pointers": ALPHABETS["arrows"],
    "icons": ALPHABETS["symbols"],
    "pieces": ALPHABETS["games"],
    "capitals": Alphabet("ABDEGБДЖИЛ", _LETTERS),
    "letters": Alphabet("λξπφψФЦЭЮЯ", _LETTERS),
    "scripts": Alphabet("KMRSWაბგდე", (*_SANS[:2], *_SERIF[:2])),
    "signs": Alphabet("01234★☎☠☢☮", _SANS[:2]),
    "tokens": Alphabet("56789♔♕♖♗♘", _SANS[:2]),
}
