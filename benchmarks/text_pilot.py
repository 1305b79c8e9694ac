"""The pilot of an embedded text pool: a small T5 learns dates, experts learn them in eight languages, and are merged.

    PYTHONPATH=. python benchmarks/text_pilot.py FOLDER

Writes curves.csv to the folder: right answers and answers in the form of a date, by method, scaling and language.
Weights are kept in the folder too, and not trained again.
"""

import copy
import math
import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import remerge
from remerge.clip.muon import Muon
from remerge.t5.architectures import Architecture
from remerge.t5.decoding import decode
from remerge.t5.lora import add_lora, merge_lora
from remerge.t5.model import END, PADDING, T5
from remerge.tasks.dates import MASKED, TASKS, Example, examples, languages, pretraining_examples

EXPOSURE = 0.02
TARGETS = ("q", "k", "v", "o", "wi_0", "wi_1", "wo")
ISO = re.compile(r"\d{4}-\d\d-\d\d")
NAMES = [name for language in languages().values() for names in (language.months, language.short) for name in names]
WEEKDAYS = [name for language in languages().values() for name in language.weekdays]
CHARACTERS = sorted({*"0123456789-:/., abcdefghijklmnopqrstuvwxyz", *"".join(NAMES + WEEKDAYS), MASKED})
SMALL = Architecture(vocabulary=len(CHARACTERS) + 2, width=96, hidden=192, heads=3, head_width=32, layers=2)

Optimizers = list[torch.optim.Optimizer]


def encoded(texts: list[str]) -> Tensor:
    """Return texts as tokens, int64 ``[n, tokens]``: 0 is padding, 1 the end, and characters are numbers from 2 on."""
    ids = {character: index for index, character in enumerate(CHARACTERS, start=2)}
    rows = [[*(ids[character] for character in text), END] for text in texts]
    longest = max(map(len, rows))
    return torch.tensor([row + [PADDING] * (longest - len(row)) for row in rows])


def decoded(row: list[int]) -> str:
    """Return the text of tokens up to their end."""
    return "".join(CHARACTERS[index - 2] for index in row if index > END)


def train(model: T5, optimizers: Optimizers, batches: Callable[[int], list[Example]], steps: int) -> None:
    """Train with linear warm-up over a twentieth of the steps and cosine decay to zero."""
    warmup = steps // 20 + 1
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda step: min(
                (step + 1) / warmup, 0.5 + 0.5 * math.cos(math.pi * max(0, step - warmup) / (steps - warmup))
            ),
        )
        for optimizer in optimizers
    ]
    for step in range(steps):
        texts, answers = zip(*batches(step), strict=True)
        targets = encoded(list(answers))
        loss = cross_entropy(
            model(encoded(list(texts)), targets).flatten(0, 1), targets.flatten(), ignore_index=PADDING
        )
        model.zero_grad(set_to_none=True)
        loss.backward()
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
        if step % 50 == 49:
            print(f"step {step + 1}, loss {loss.item():.3f}, {time.process_time():.0f} s of processor time", flush=True)


def pretrained() -> T5:
    """Pre-train on English and numeric dates, texts to restore, and a few dates of the tasks."""
    torch.manual_seed(0)
    model = T5(SMALL)
    is_matrix = {name: parameter.ndim == 2 and ".layer." in name for name, parameter in model.named_parameters()}
    is_matrix |= dict.fromkeys([name for name in is_matrix if "relative_attention_bias" in name], False)
    matrices = [parameter for name, parameter in model.named_parameters() if is_matrix[name]]
    others = [parameter for name, parameter in model.named_parameters() if not is_matrix[name]]
    optimizers = [
        Muon(matrices, lr=0.02, momentum=0.9, weight_decay=0.0),
        torch.optim.AdamW(others, lr=0.001, weight_decay=0.0),
    ]
    train(model, optimizers, lambda step: pretraining_examples(step, 64, EXPOSURE), steps=900)
    return model


def expert(start: T5, task: str) -> T5:
    """Fine-tune with LoRA on one language."""
    torch.manual_seed(TASKS.index(task))
    model, known = copy.deepcopy(start), examples(task, "train")
    optimizer = torch.optim.AdamW(add_lora(model, TARGETS, rank=8, alpha=16), lr=0.01, weight_decay=0.0)
    train(model, [optimizer], lambda step: random.Random(f"{task}/{step}").sample(known, 64), steps=250)
    merge_lora(model)
    return model


def kept(path: Path, make: Callable[[], T5]) -> T5:
    """Return the model of a file, which is made first if it is not there."""
    if not path.exists():
        save_file(make().state_dict(), path)
    model = T5(SMALL)
    model.load_state_dict(load_file(path))
    return model


def scores(model: nn.Module, method: str, scaling: float, tasks: tuple[str, ...] = TASKS) -> list[dict[str, object]]:
    """Return a row per language."""
    rows: list[dict[str, object]] = []
    for task in tasks:
        texts, answers = zip(*examples(task, "test"), strict=True)
        found = [decoded(row) for row in decode(model, encoded(list(texts)), 12).tolist()]
        correct = sum(one == other for one, other in zip(found, answers, strict=True))
        in_form = sum(bool(ISO.fullmatch(one)) for one in found)
        row = {"method": method, "scaling": scaling, "task": task, "n": len(found)}
        rows.append(row | {"correct": correct, "in_form": in_form})
    return rows


def main() -> None:
    """Train, merge and score."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    start = kept(folder / "pretrained.safetensors", pretrained)
    experts = {task: kept(folder / f"{task}.safetensors", lambda task=task: expert(start, task)) for task in TASKS}
    rows = scores(start, "pretrained", 0.0)
    for task, model in experts.items():
        rows += scores(model, "individual", 1.0, (task,))
    for scaling in [step / 10 for step in range(1, 11)]:
        models = list(experts.values())
        rows += scores(remerge.task_arithmetic(start, models, scaling), "task-arithmetic", scaling)
        rows += scores(
            remerge.ties(start, models, keep=0.2, merge="sum", scope="trained", scaling=scaling), "ties", scaling
        )
    pd.DataFrame(rows).to_csv(folder / "curves.csv", index=False)


if __name__ == "__main__":
    main()
