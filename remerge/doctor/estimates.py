"""What architectures need, in round numbers: good enough to tell a machine that can from one that cannot."""

PARAMETERS = {
    "mini": (840_000, 7_600_000),
    "ViT-B-32": (87_800_000, 151_300_000),
    "ViT-B-16": (86_200_000, 149_600_000),
    "ViT-L-14": (304_000_000, 427_600_000),
}
"""Parameters of the image encoder, and of both towers. Files hold four bytes for each."""

# Estimates from the size of weights and activations, not measurements.
ADAPTING_GB = {"mini": 1, "ViT-B-32": 6, "ViT-B-16": 14, "ViT-L-14": 40}
"""GB of GPU memory that an AdaMerging step on 8 x 32 images takes in one piece, the most that any stage takes."""

CUDA_GB = 1
"""GB of GPU memory that CUDA's own kernels and a few images take."""

CUDA_NEEDS = {11: (450, 3.5), 12: (525, 5.0), 13: (580, 7.5)}
"""For each major version of CUDA that torch is built for, the oldest driver and compute capability that will do."""
