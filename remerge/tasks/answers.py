"""The form of a task's answers to texts: how long they are, and the number by which a score file holds each."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from remerge.tasks import dates
from remerge.tasks.glue import glue_task
from remerge.texts import NO_ANSWER

THOUSANDTHS = 1000
"""Answers that are numbers are held in thousandths, from 0 to 65.534."""


@dataclass(frozen=True)
class Form:
    """The form of answers.

    Attributes:
        longest: Tokens after which an answer is cut off, the end included.
        number_of: Returns the number of an answer, or :data:`remerge.texts.NO_ANSWER` if it does not have the form.
        is_ranked: Whether answers are judged by their order, and not one by one.
    """

    longest: int
    number_of: Callable[[str], int]
    is_ranked: bool = False


def form_of(task: str) -> Form:
    """Return the form of a task's answers.

    For dates, ten characters, the end, and one more; the number is :func:`remerge.tasks.dates.number_of`. For GLUE, 19
    tokens, as transformers' ``generate`` writes by default, which the published numbers were measured with; the number
    is that of the label, or of thousandths where answers are numbers.
    """
    if task in dates.TASKS:
        return Form(12, dates.number_of)
    described = glue_task(task)
    if described.metric == "spearman":
        return Form(19, thousandths, is_ranked=True)
    numbers = {answer: label for label, answer in enumerate(described.answers)}
    return Form(19, lambda answer: numbers.get(answer, NO_ANSWER))


def thousandths(answer: str) -> int:
    """Return the thousandths of an answer that is a number, clamped to what 16 bits hold, or ``NO_ANSWER``."""
    try:
        value = float(answer)
    except ValueError:
        return NO_ANSWER
    if not math.isfinite(value):
        return NO_ANSWER
    return round(min(max(THOUSANDTHS * value, 0), NO_ANSWER - 1))
