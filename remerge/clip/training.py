"""Pre-training the mini CLIP, and fine-tuning an image encoder on one task."""

import copy
import math
from collections.abc import Sequence

import numpy as np
import open_clip
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize
from torchvision.transforms import InterpolationMode, RandomResizedCrop

from remerge.clip.encoders import build_clip, to_input, tokenizer
from remerge.clip.heads import logits
from remerge.clip.packed import token_embeddings
from remerge.images.store import ImageSet
from remerge.run.resume import Progress
from remerge.training.loop import train
from remerge.training.muon import Muon


def _batches(image_set: ImageSet, batch_size: int, steps: int, seed: int) -> "list[np.ndarray]":
    """Indices of each step's batch; every epoch has a new random order."""
    generator = np.random.Generator(np.random.PCG64(seed))
    epochs = math.ceil(steps * batch_size / len(image_set))
    order = np.concatenate([generator.permutation(len(image_set)) for _ in range(epochs)])
    return np.split(order[: steps * batch_size], steps)


def _tensors(image_set: ImageSet, chosen: "np.ndarray", device: str) -> tuple[Tensor, Tensor]:
    images = torch.from_numpy(image_set.images[chosen]).to(device)
    return to_input(images), torch.from_numpy(image_set.labels[chosen]).to(device)


def pretrain(
    image_set: ImageSet,
    architecture: str,
    *,
    classes: Sequence[str],
    templates: Sequence[str],
    steps: int,
    batch_size: int,
    learning_rate: float,
    logit_scale: float,
    seed: int,
    device: str = "cpu",
    progress: Progress | None = None,
) -> open_clip.CLIP:
    """Train a CLIP from random weights to match images with their class names.

    The images of a batch are contrasted with the captions of all classes, so that two images of the same class
    are not false negatives. Token embeddings are drawn
    (:func:`remerge.clip.packed.token_embeddings`) and frozen. The matrices of the transformer blocks are
    trained with Muon, everything else with AdamW at a twentieth of the learning rate; AdamW alone does not get far
    in a few hundred steps.

    Args:
        image_set: Images with labels.
        architecture: Key of :data:`remerge.clip.architectures.ARCHITECTURES`.
        classes: Class names in label order, for the captions.
        templates: Captions with one ``{}`` for the class name.
        steps: Optimiser steps.
        batch_size: Images per step.
        learning_rate: Muon's peak learning rate.
        logit_scale: Factor of cosine similarities in logits, which stays fixed.
        seed: Seed of weights and batches.
        device: Where to train.
        progress: Saved state to resume from and to save to, if the work may be interrupted.

    Returns:
        The trained CLIP, on the CPU, in evaluation mode.

    Raises:
        RemergeError: The loss is no longer a finite number.
    """
    torch.manual_seed(seed)
    clip = build_clip(architecture).to(device).train()
    with torch.no_grad():
        embeddings = clip.token_embedding.weight
        embeddings.copy_(token_embeddings(*embeddings.shape)).requires_grad_(False)
        clip.logit_scale.fill_(math.log(logit_scale)).requires_grad_(False)
    tokenize = tokenizer(architecture)
    captions = [tokenize([template.format(name) for name in classes]).to(device) for template in templates]
    matrices = [p for name, p in clip.named_parameters() if "resblocks" in name and p.ndim == 2]
    others = [p for name, p in clip.named_parameters() if p.requires_grad and not ("resblocks" in name and p.ndim == 2)]
    optimizers: list[torch.optim.Optimizer] = [
        Muon(matrices, lr=learning_rate, momentum=0.9, weight_decay=0.0),
        torch.optim.AdamW(others, lr=learning_rate / 20, weight_decay=0.0),
    ]
    batches = _batches(image_set, batch_size, steps, seed)

    def loss_of(step: int) -> Tensor:
        images, labels = _tensors(image_set, batches[step], device)
        texts = normalize(clip.encode_text(captions[step % len(captions)]), dim=-1)
        scores = logits(clip.encode_image(images), texts.T * clip.logit_scale.exp())
        return cross_entropy(scores, labels)

    train(clip, optimizers, loss_of, steps=steps, progress=progress, shown="pre-train")
    return clip.cpu().eval()


def finetune(
    encoder: nn.Module,
    heads: Sequence[Tensor],
    image_sets: Sequence[ImageSet],
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
    warmup: int,
    crop: float,
    seed: int,
    device: str = "cpu",
    progress: Progress | None = None,
) -> nn.Module:
    """Fine-tune an image encoder on one task, or on several at once, with frozen zero-shot heads.

    This is the Task Arithmetic authors' recipe: AdamW, cosine schedule with linear warm-up, gradient norm clipped
    at 1, cross-entropy; the whole image encoder is trained. The authors crop the original images; here the crops are
    taken from the prepared images, which are already resized and cropped.

    Args:
        encoder: The pre-trained image encoder; it is not modified.
        heads: One per task, float32 ``[features, classes]``.
        image_sets: Training images and labels of each task. With several tasks, every step has the same number of
            images of each, at least one, and the tasks' losses are averaged.
        steps: Optimiser steps.
        batch_size: Images per step, over all tasks; more if there are more tasks than that.
        learning_rate: Peak learning rate.
        weight_decay: AdamW's weight decay.
        warmup: Steps of linear warm-up.
        crop: Smallest share of an image's area that random crops keep; 1 disables cropping.
        seed: Seed of the order of images and of the crops.
        device: Where to train.
        progress: Saved state to resume from and to save to, if the work may be interrupted.

    Returns:
        The expert, on the CPU, in evaluation mode.

    Raises:
        RemergeError: The loss is no longer a finite number.
    """
    expert = copy.deepcopy(encoder).to(device).train()
    heads = [head.to(device) for head in heads]
    optimizer = torch.optim.AdamW(expert.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True)
    share = max(1, batch_size // len(image_sets))
    batches = [_batches(image_set, share, steps, seed) for image_set in image_sets]

    def loss_of(step: int) -> Tensor:
        drawn = [own[step] for own in batches]
        images = torch.from_numpy(np.concatenate([s.images[own] for s, own in zip(image_sets, drawn, strict=True)]))
        images = images.to(device)
        if crop < 1:
            images = _cropped(images, crop, seed + step)
        features = expert(to_input(images)).split(share)
        losses = [
            cross_entropy(logits(own, head), torch.from_numpy(image_set.labels[chosen]).to(device))
            for own, head, image_set, chosen in zip(features, heads, image_sets, drawn, strict=True)
        ]
        return torch.stack(losses).mean()

    names = ", ".join(image_set.task for image_set in image_sets)
    train(
        expert,
        [optimizer],
        loss_of,
        steps=steps,
        warmup=warmup,
        largest_norm=1.0,
        progress=progress,
        shown=f"fine-tune {names}",
    )
    return expert.cpu().eval()


def _cropped(images: Tensor, smallest: float, seed: int) -> Tensor:
    """Crop every image at random and resize it back, as open_clip's training transform does.

    Args:
        images: uint8 ``[n, height, width, 3]``.
        smallest: Smallest share of the area that a crop keeps.
        seed: Seed of the crops.
    """
    size = list(images.shape[1:3])
    crop = RandomResizedCrop(size, scale=(smallest, 1.0), interpolation=InterpolationMode.BICUBIC, antialias=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.stack([crop(image) for image in images.permute(0, 3, 1, 2)]).permute(0, 2, 3, 1)
