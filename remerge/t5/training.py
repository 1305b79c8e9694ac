"""Pre-training ``t5-mini``, and fine-tuning it on one task with LoRA."""

import copy
import random

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from remerge.run.resume import Progress
from remerge.t5.architectures import ARCHITECTURES
from remerge.t5.characters import PADDING, encoded
from remerge.t5.lora import add_lora, merge_lora
from remerge.t5.model import T5
from remerge.t5.models import padded
from remerge.tasks.dates import Example, pretraining_examples
from remerge.texts.store import TextSet
from remerge.training.loop import train
from remerge.training.muon import Muon

LINEAR = ("q", "k", "v", "o", "wi_0", "wi_1", "wo")
"""The linear layers of every block."""

BETAS = (0.9, 0.95)
"""AdamW's decay rates for LoRA. With the usual 0.999 an expert learns from as few steps several points less."""


def pretrain(
    architecture: str,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    exposure: float,
    seed: int,
    device: str = "cpu",
    progress: Progress | None = None,
) -> T5:
    """Train a T5 from random weights on English and numeric dates, texts to restore, and a few dates of the tasks.

    The matrices of the blocks are trained with Muon, everything else with AdamW at a twentieth of the learning rate.

    Args:
        architecture: Key of :data:`remerge.t5.architectures.ARCHITECTURES`.
        steps: Optimiser steps.
        batch_size: Texts per step.
        learning_rate: Muon's peak learning rate.
        exposure: See :func:`remerge.tasks.dates.pretraining_examples`.
        seed: Seed of the weights.
        device: Where to train.
        progress: Saved state to resume from and to save to, if the work may be interrupted.

    Returns:
        The model, on the CPU, in evaluation mode.

    Raises:
        RemergeError: The loss is no longer a finite number.
    """
    torch.manual_seed(seed)
    model = T5(ARCHITECTURES[architecture]).to(device)
    matrices = [module.weight for name, module in model.named_modules() if name.rpartition(".")[2] in LINEAR]
    in_blocks = {id(matrix) for matrix in matrices}
    others = [parameter for parameter in model.parameters() if id(parameter) not in in_blocks]
    optimizers: list[torch.optim.Optimizer] = [
        Muon(matrices, lr=learning_rate, momentum=0.9, weight_decay=0.0),
        torch.optim.AdamW(others, lr=learning_rate / 20, weight_decay=0.0),
    ]

    def loss_of(step: int) -> Tensor:
        return _loss(model, pretraining_examples(step, batch_size, exposure), device)

    train(model.train(), optimizers, loss_of, steps=steps, progress=progress, shown="pre-train")
    return model.cpu().eval()


def finetune(
    pretrained: T5,
    texts: TextSet,
    task: str,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    rank: int,
    alpha: float,
    seed: int,
    device: str = "cpu",
    progress: Progress | None = None,
) -> T5:
    """Fine-tune a T5 on one task with LoRA on all linear layers (arXiv:2106.09685), and merge the changes into it.

    Args:
        pretrained: The pre-trained model; it is not modified.
        texts: The training texts.
        task: The task's name, which seeds the changes and the order of texts.
        steps: Optimiser steps of AdamW.
        batch_size: Texts per step, no two alike.
        learning_rate: Peak learning rate.
        rank: Rank of every change.
        alpha: Changes are multiplied by ``alpha / rank``.
        seed: As the task's name.
        device: Where to train.
        progress: Saved state to resume from and to save to, if the work may be interrupted.

    Returns:
        The expert, on the CPU, in evaluation mode, with the pre-trained model's parameters.

    Raises:
        RemergeError: The loss is no longer a finite number.
    """
    torch.manual_seed(random.Random(f"{task}/{seed}").getrandbits(63))
    expert = copy.deepcopy(pretrained)
    changes = add_lora(expert, LINEAR, rank, alpha)
    optimizer = torch.optim.AdamW(changes, lr=learning_rate, betas=BETAS, weight_decay=0.0)
    known = list(zip(texts.texts, texts.answers, strict=True))

    def loss_of(step: int) -> Tensor:
        return _loss(expert, random.Random(f"{task}/{seed}/{step}").sample(known, batch_size), device)

    train(expert.to(device).train(), [optimizer], loss_of, steps=steps, progress=progress, shown=f"fine-tune {task}")
    merge_lora(expert)
    return expert.cpu().eval()


def _loss(model: T5, batch: list[Example], device: str) -> Tensor:
    """The mean cross-entropy of the answers' tokens."""
    texts, answers = (padded(encoded(each)).to(device) for each in zip(*batch, strict=True))
    return cross_entropy(model(texts, answers).flatten(0, 1), answers.flatten(), ignore_index=PADDING)
