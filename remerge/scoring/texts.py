"""Answers to texts: greedy decoding, right if the whole answer is; numbers are also kept to be ranked."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from remerge.errors import RemergeError
from remerge.merging.assemblies import MergedFiles
from remerge.merging.merged import Rebuilt, load_merged
from remerge.run.progress import ProgressBar
from remerge.scoring.answers import pack_classes, pack_right
from remerge.t5 import characters
from remerge.t5.decoding import decode
from remerge.t5.model import T5
from remerge.t5.models import build_t5, load_t5, padded
from remerge.t5.tokenisers import Tokeniser
from remerge.tasks.answers import form_of
from remerge.texts import NO_ANSWER
from remerge.texts.store import TextSet

ModelFor = Callable[[str], T5]
"""Returns the model for a task, valid until the next call."""


def load_models(path: str | Path) -> ModelFor:
    """Return a function that returns the model for a task from a merged result, or the same one for every task.

    Args:
        path: The shared file of a result whose assembly is plain or rebuilds weights for a task.

    Raises:
        RemergeError: Its assembly is another, or it cannot be read; see :func:`remerge.merging.merged.load_merged` and
            :func:`remerge.t5.models.load_t5`.
    """
    if not MergedFiles(path).parts:
        model = load_t5(path)
        return lambda task: model
    merged, rebuilt = load_merged(path), build_t5(path).eval()
    if not isinstance(merged, Rebuilt):
        raise RemergeError(f"{path}: its parts are modules of an image encoder, which a T5 is not")

    def model_for(task: str) -> T5:
        rebuilt.load_state_dict(dict(merged.weights_for(task)))
        return rebuilt

    return model_for


def answers(
    model: T5,
    texts: list[str],
    longest: int,
    *,
    tokeniser: Tokeniser = characters,
    device: str = "cpu",
    batch_size: int = 256,
) -> list[str]:
    """Return a model's answers to texts.

    Args:
        model: The model, on ``device``.
        texts: What it reads.
        longest: Tokens after which an answer is cut off.
        tokeniser: The model's tokeniser.
        device: Where it is.
        batch_size: Texts that are read at a time.
    """
    parts = (texts[start : start + batch_size] for start in range(0, len(texts), batch_size))
    read = (padded(tokeniser.encoded(part)).to(device) for part in parts)
    return [tokeniser.decoded(row) for part in read for row in decode(model, part, longest).tolist()]


def score_model(
    model_for: ModelFor,
    text_sets: Mapping[str, TextSet],
    *,
    tokeniser: Tokeniser = characters,
    device: str = "cpu",
    batch_size: int = 256,
    progress: bool = True,
) -> pd.DataFrame:
    """Score the model for each task on the task's texts.

    Args:
        model_for: Returns the model for a task.
        text_sets: Texts and answers per task.
        tokeniser: The models' tokeniser.
        device: Where to run.
        batch_size: Texts that are read at a time.
        progress: Whether to show a progress bar.

    Returns:
        Columns ``task``, ``correct``, ``n`` and ``valid``, the number of answers that have the form of the task's,
        right or wrong; and ``right`` and ``predicted``, packed by :mod:`remerge.scoring.answers`, in the order of
        ``text_sets``. Predicted are numbers of answers (:func:`remerge.tasks.answers.form_of`). Where answers are
        ranked, ``expected`` has the numbers of the true ones; it is empty for other tasks.
    """
    rows = []
    for task, text_set in ProgressBar(text_sets.items(), desc="score", unit="task", disable=not progress):
        form, model = form_of(task), model_for(task).to(device)
        given = answers(model, text_set.texts, form.longest, tokeniser=tokeniser, device=device, batch_size=batch_size)
        right = np.array([one == other for one, other in zip(given, text_set.answers, strict=True)])
        predicted = np.array([form.number_of(answer) for answer in given])
        row: dict[str, object] = {"task": task, "correct": int(right.sum()), "n": len(text_set)}
        row |= {"valid": int((predicted != NO_ANSWER).sum())}
        row |= {"right": pack_right(right), "predicted": pack_classes(predicted)}
        if form.is_ranked:
            row["expected"] = pack_classes(np.array([form.number_of(answer) for answer in text_set.answers]))
        rows.append(row)
    return pd.DataFrame(rows)
