"""The CLIP architectures as plain data, which tables and configuration checks read without importing torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """One CLIP architecture.

    Attributes:
        name: Its name here and, except for ``mini``, in open_clip.
        image_size: Side of its square input images in pixels.
        activation: ``gelu`` or ``quickgelu``. OpenAI's weights need the latter; with the former they silently lose
            several points of accuracy.
        embedding: Length of the image and text features.
        text_parameters: Number of parameters of the text side that the Task Arithmetic authors' checkpoints keep with
            the image encoder (token and positional embedding, final norm, projection, logit scale). They are never
            trained, but are part of the flattened vector whose largest entries the authors' TIES keeps.
        hub: Its name in the names of transformers' checkpoints on the Hub.
        open_clip: The Hub's repository of OpenAI's weights with open_clip's names.
    """

    name: str
    image_size: int
    activation: str
    embedding: int
    text_parameters: int = 0
    hub: str = ""
    open_clip: str = ""


ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture("mini", 32, "gelu", 128),
        Architecture(
            "ViT-B-32",
            224,
            "quickgelu",
            512,
            25_599_489,
            "clip-vit-base-patch32",
            "timm/vit_base_patch32_clip_224.openai",
        ),
        Architecture(
            "ViT-B-16",
            224,
            "quickgelu",
            512,
            25_599_489,
            "clip-vit-base-patch16",
            "timm/vit_base_patch16_clip_224.openai",
        ),
        Architecture(
            "ViT-L-14",
            224,
            "quickgelu",
            768,
            38_595_841,
            "clip-vit-large-patch14",
            "timm/vit_large_patch14_clip_224.openai",
        ),
    )
}


def described(architecture: str) -> dict[str, str]:
    """Return the header fields that describe a weights file's architecture."""
    return {"architecture": architecture, "activation": ARCHITECTURES[architecture].activation}
