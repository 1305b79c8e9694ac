"""The words of the mini benchmark, apart from what draws its images: other words draw none of them again."""

from remerge.tasks.alphabets import PRINTED

TEMPLATES = ("a picture of the {}.", "the {}.")
"""Prompts with one ``{}`` for the class name, of every task."""


def pretraining_classes() -> tuple[str, ...]:
    """Return the class names of the images that the mini CLIP is pre-trained on, in label order."""
    return tuple(name for alphabet in PRINTED for name in alphabet.classes)
