"""Rough requirements of architectures and data sets, good enough to decide whether a machine can run them.

README's table of presets and all estimates of ``python -m remerge doctor`` (hours, disk, GPU memory) use these numbers.
"""

PARAMETERS = {
    "mini": (4_970_000, 11_700_000),
    "t5-mini": (459_000, 459_000),
    "ViT-B-32": (87_800_000, 151_300_000),
    "ViT-B-16": (86_200_000, 149_600_000),
    "ViT-L-14": (304_000_000, 427_600_000),
    "flan-t5-base": (247_600_000, 247_600_000),
    "flan-t5-large": (783_200_000, 783_200_000),
}
"""Parameters of the image encoder, and of both towers; of a T5, twice all. Files hold four bytes for each."""

ADAPTER_BYTES = {"flan-t5-base": 7.1e6, "flan-t5-large": 18.9e6}
"""Size of a LoRA adapter."""

MACS = {
    "mini": 0.024e9,
    "ViT-B-32": 4.4e9,
    "ViT-B-16": 17.6e9,
    "ViT-L-14": 81e9,
    "flan-t5-base": 7e9,
    "flan-t5-large": 25e9,
}
"""Multiplications, each with an addition, in one forward pass of the image encoder on one image; of a T5, for a text of
65 tokens, about as many as GLUE's have on average, and an answer of four."""

BACKWARD = 2
"""Cost of a backward pass, in forward passes."""

ACTIVATIONS = {"mini": 0.52e6, "ViT-B-32": 38e6, "ViT-B-16": 148e6, "ViT-L-14": 510e6}
"""Bytes per image that autograd keeps for the backward pass, float32, as counted by its saved tensors' hooks."""

CUDA_BYTES = 1e9
"""GPU memory taken by CUDA's kernels and a few images."""

GPU_FLOPS = 20e12
"""Floating-point operations a second, float32: 30 % of the peak of a data-centre GPU of 2022."""

CORE_FLOPS = 75e9
"""The same for one CPU core, from the time of an AdaMerging step in benchmarks/results.csv."""

HUB_BYTES = {
    "SUN397": 14e9,
    "Cars": 2e9,
    "RESISC45": 0.5e9,
    "EuroSAT": 0.1e9,
    "SVHN": 0.2e9,
    "GTSRB": 0.4e9,
    "MNIST": 0.02e9,
    "DTD": 0.7e9,
    "Flowers102": 0.35e9,
    "PCAM": 8e9,
    "FER2013": 0.06e9,
    "OxfordIIITPet": 0.8e9,
    "STL10": 0.3e9,
    "CIFAR100": 0.15e9,
    "CIFAR10": 0.15e9,
    "Food101": 5e9,
    "FashionMNIST": 0.05e9,
    "EMNIST-letters": 0.06e9,
    "KMNIST": 0.03e9,
    "RenderedSST2": 0.2e9,
    "cola": 0.0003e9,
    "mnli": 0.055e9,
    "mrpc": 0.0007e9,
    "qnli": 0.018e9,
    "qqp": 0.037e9,
    "rte": 0.0006e9,
    "sst2": 0.0031e9,
    "stsb": 0.0007e9,
}
"""Size of the training and test images, or texts, on the Hub, estimated from the original data sets."""

TORCHVISION_BYTES = {
    "SVHN": 0.25e9,
    "GTSRB": 0.6e9,
    "MNIST": 0.07e9,
    "EuroSAT": 0.2e9,
    "DTD": 1.3e9,
    "EMNIST-digits": 2.3e9,
}
"""The same for torchvision's downloads, archives and unpacked files together."""


def adapting_bytes(architecture: str, tasks: int, images: int) -> tuple[float, float]:
    """Return the GPU memory that AdaMerging takes, with one image at a time and with all images of a step at once.

    Args:
        architecture: Key of :data:`PARAMETERS`.
        tasks: Number of merged tasks.
        images: Number of images in a step, all tasks together.
    """
    # Task vectors, the pre-trained and the merged weights, and gradients.
    weights = CUDA_BYTES + 4 * (tasks + 3) * PARAMETERS[architecture][0]
    return weights + ACTIVATIONS[architecture], weights + images * ACTIVATIONS[architecture]
