"""The CLIP architectures, as plain data: tables and configuration checks read it without importing torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """One CLIP architecture.

    Attributes:
        name: Its name here and, but for ``mini``, in open_clip.
        image_size: Side of its square input images in pixels.
        activation: ``gelu`` or ``quickgelu``. OpenAI's weights need the latter; run with the other they lose
            points of accuracy without any error.
        embedding: Length of the image and text features.
        text_parameters: Parameters of the text side that the Task Arithmetic authors' checkpoints keep beside the
            image encoder (token and positional embedding, final norm, projection, logit scale). Never trained, but
            part of the flattened vector that their TIES takes its top share of.
        hub: What the Hub calls it in the names of transformers' checkpoints.
        open_clip: The Hub's repository of OpenAI's weights in open_clip's own names.
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
    """Return what the header of a weights file says of its architecture."""
    return {"architecture": architecture, "activation": ARCHITECTURES[architecture].activation}
