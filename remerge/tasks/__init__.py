"""The tasks of the mini benchmark and their images.

Importing this is fast; drawing imports Pillow, SciPy and scikit-learn, but never torch.
"""

import hashlib
from dataclasses import dataclass

from remerge.images.store import ImageSet
from remerge.tasks.alphabets import ALPHABETS, PRINTED, PRINTED_DIGITS, REGROUPED

SIZES = {"train": 4000, "validation": 300, "test": 500}
PRETRAINING_IMAGES_PER_CLASS = 250


@dataclass(frozen=True)
class Task:
    """One task of the mini benchmark.

    Attributes:
        name: Its name in config.yaml and in file names.
        title: Display name.
        origin: ``rendered`` or ``real``.
        classes: Class names in label order.
        style: The visual style of a rendered task (:mod:`remerge.tasks.styles`).
        tilt: Tilt of all glyphs in degrees, counterclockwise.
    """

    name: str
    title: str
    origin: str
    classes: tuple[str, ...]
    style: str = ""
    tilt: float = 0.0


_CHARACTERS = ALPHABETS | REGROUPED


def _rendered(name: str, title: str, style: str, tilt: float = 0.0) -> Task:
    return Task(name, title, "rendered", _CHARACTERS[name].classes, style, tilt)


MINI_TASKS = {
    task.name: task
    for task in (
        Task("digits", "handwritten digits", "real", PRINTED_DIGITS.classes),
        # An encoder pre-trained on upright print loses half of its accuracy on glyphs tilted by 20 to 30 degrees, and
        # experts learn them almost perfectly: a gap in style that hides nothing.
        _rendered("latin", "tilted Latin capitals in chalk", "chalk", tilt=-30),
        _rendered("greek", "tilted Greek letters out of focus", "blurred", tilt=25),
        _rendered("cyrillic", "tilted Cyrillic capitals under noise", "noisy", tilt=30),
        _rendered("georgian", "tilted Georgian letters over photographs", "photograph", tilt=-25),
        _rendered("arrows", "tilted, outlined arrows on squared paper", "outlined", tilt=15),
        _rendered("symbols", "tilted symbols in opposite colours", "coloured", tilt=20),
        _rendered("games", "tilted chess pieces and card suits behind bars", "striped", tilt=-28),
        # The suites of fourteen ...
        _rendered("numerals", "tilted, embossed digits", "embossed", tilt=10),
        _rendered("slavic", "tilted Cyrillic capitals with a shadow", "shadowed", tilt=-15),
        _rendered("hellenic", "tilted Greek letters in large pixels", "pixelated", tilt=-27),
        _rendered("pointers", "tilted, scratched arrows", "scratched", tilt=-15),
        _rendered("icons", "tilted symbols in halftone", "halftone", tilt=-33),
        _rendered("capitals", "tilted Latin and Cyrillic capitals with speckles", "speckled", tilt=25),
        # ... and twenty.
        _rendered("kartvelian", "tilted Georgian letters on lined paper", "ruled", tilt=27),
        _rendered("pieces", "tilted, faded chess pieces and card suits", "faded", tilt=15),
        _rendered("letters", "tilted, stencilled Greek and Cyrillic letters", "stencilled", tilt=-28),
        _rendered("scripts", "tilted Latin and Georgian letters, exposed twice", "doubled", tilt=22),
        _rendered("signs", "tilted, hatched digits and symbols", "hatched", tilt=-30),
        _rendered("tokens", "tilted digits and chess pieces on a flag", "waved", tilt=28),
    )
}


def _seed(*names: str) -> int:
    """A seed that only depends on names, so it is the same on every machine and in every run."""
    return int.from_bytes(hashlib.sha256("/".join(names).encode()).digest()[:8], "big")


def render(name: str) -> dict[str, ImageSet]:
    """Make a task's images, the same bytes every time.

    Returns:
        Splits ``train`` (4,000 images), ``validation`` (300) and ``test`` (500), with no image in two of them.
        ``digits`` has 1,797 images in all; test and validation have the same sizes, and train has the rest.
    """
    if name == "digits":
        return _handwritten()
    return {split: _draw(MINI_TASKS[name], split, n) for split, n in SIZES.items()}


def _draw(task: Task, split: str, n: int) -> ImageSet:
    import numpy as np

    from remerge.tasks.glyphs import draw_glyphs
    from remerge.tasks.styles import STYLES

    generator = np.random.Generator(np.random.PCG64(_seed(task.name, split)))
    labels = generator.permutation(np.arange(n) % len(task.classes))
    masks = draw_glyphs(_CHARACTERS[task.name], labels, generator, task.tilt)
    images = (np.clip(STYLES[task.style](masks, generator), 0, 1) * 255).astype(np.uint8)
    return ImageSet(images, labels, task.name, split, task.origin)


def _handwritten() -> dict[str, ImageSet]:
    import numpy as np

    from remerge.tasks.digits import handwritten_digits

    task = MINI_TASKS["digits"]
    images, labels = handwritten_digits(np.random.Generator(np.random.PCG64(_seed("digits"))))
    test, held_out = SIZES["test"], SIZES["test"] + SIZES["validation"]
    parts = {"train": slice(held_out, None), "validation": slice(test, held_out), "test": slice(test)}
    return {split: ImageSet(images[part], labels[part], task.name, split, task.origin) for split, part in parts.items()}


def pretraining_images() -> ImageSet:
    """Draw the pre-training images of the mini CLIP: the characters of all tasks in plain print, including digits."""
    import numpy as np

    from remerge.tasks.glyphs import draw_glyphs
    from remerge.tasks.styles import STYLES

    images, labels, classes = [], [], 0
    for alphabet in PRINTED:
        generator = np.random.Generator(np.random.PCG64(_seed("pretraining", alphabet.characters)))
        characters = np.arange(len(alphabet.characters)).repeat(PRETRAINING_IMAGES_PER_CLASS)
        masks = draw_glyphs(alphabet, characters, generator)
        images.append((np.clip(STYLES["plain"](masks, generator), 0, 1) * 255).astype(np.uint8))
        labels.append(characters + classes)
        classes += len(alphabet.characters)
    return ImageSet(np.concatenate(images), np.concatenate(labels), "pretraining", "train", "rendered")
