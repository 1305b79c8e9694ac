"""Prompts of the mini benchmark, kept apart from the drawing code so that editing them redraws no images."""

from remerge.tasks.alphabets import PRINTED

TEMPLATES = ("a picture of the {}.", "the {}.")
"""Prompts of all tasks, with one ``{}`` for the class name."""


def pretraining_classes() -> tuple[str, ...]:
    """Return the class names of the images that the mini CLIP is pre-trained on, in label order."""
    return tuple(name for alphabet in PRINTED for name in alphabet.classes)
