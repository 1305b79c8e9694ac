"""Dates as eight languages write them, to be rewritten as in ISO 8601: ``hr: 12. listopada 2021`` is ``2021-10-12``.

Names of months are real, and conflict: *listopad* is October in Croatian, and November in Czech and Polish. Dates are
drawn from 1950 to 2049; no date of the test texts is in a training text of any language, or in pre-training.
"""

import datetime
import hashlib
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from remerge.run.strict_yaml import read_yaml

SIZES = {"train": 4000, "test": 500}
TASKS = ("de", "fr", "es", "nl", "pl", "cs", "hr", "fi")
FIRST, LAST = datetime.date(1950, 1, 1).toordinal(), datetime.date(2049, 12, 31).toordinal()

MASKED = "\0"
"""Stands for the characters that are left out of a text in pre-training."""

Example = tuple[str, str]
"""A text, and the answer to it."""


@dataclass(frozen=True)
class Language:
    """How a language writes dates.

    Attributes:
        title: Its English name.
        long: A date with ``{day}``, ``{month}`` and ``{year}``.
        full: A date with ``{weekday}`` as well.
        months: Names of months as they stand in dates, January first.
        short: Their abbreviations.
        weekdays: Monday first.
    """

    title: str
    long: str
    full: str
    months: list[str]
    short: list[str]
    weekdays: list[str]


@cache
def languages() -> dict[str, Language]:
    """Return all languages by their codes: those of the tasks, and English."""
    return {code: Language(**entry) for code, entry in read_yaml(Path(__file__).with_name("dates.yaml")).items()}


def is_for_testing(day: datetime.date) -> bool:
    """Return whether a date belongs to test texts, as every fifth does."""
    return hashlib.sha256(day.isoformat().encode()).digest()[0] % 5 == 0


def examples(code: str, split: str) -> list[Example]:
    """Return the texts of a task and their answers, the same ones every time.

    Half of the texts abbreviate the month; each begins with the language's code.
    """
    generator = random.Random(f"{code}/{split}")
    return [
        _written(code, _drawn(generator, for_testing=split == "test"), generator.choice(("long", "short")))
        for _ in range(SIZES[split])
    ]


def pretraining_examples(step: int, n: int, exposure: float) -> list[Example]:
    """Return the examples of a step of pre-training.

    Of ten examples, five or six are English dates, two or three are numeric ones, and about two are texts of the tasks'
    languages to restore, without answers.

    Args:
        step: Number of the step; every step has other examples.
        n: Number of examples.
        exposure: Share of dates in the tasks' languages with answers.
    """
    generator = random.Random(f"pretraining/{step}")
    kinds = generator.choices(["english", "numeric", "restored", "task"], [0.55, 0.25, 0.2 - exposure, exposure], k=n)
    return [_pretraining_example(kind, generator) for kind in kinds]


def _pretraining_example(kind: str, generator: random.Random) -> Example:
    day = _drawn(generator, for_testing=False)
    form = generator.choice(("long", "full", "short"))
    if kind == "english":
        return _written("en", day, form)
    if kind == "numeric":
        pattern = generator.choice(("{0}.{1}.{2}", "{0}. {1}. {2}", "{2}-{1}-{0}", "{0}/{1}/{2}"))
        width = generator.choice((1, 2))
        return "num: " + pattern.format(f"{day.day:0{width}}", f"{day.month:0{width}}", day.year), day.isoformat()
    text, answer = _written(generator.choice(TASKS), day, form)
    if kind == "task":
        return text, answer
    length = generator.randint(1, 5)
    begin = generator.randrange(4, len(text) - length)
    return text[:begin] + MASKED + text[begin + length :], text[begin : begin + length]


def _drawn(generator: random.Random, *, for_testing: bool) -> datetime.date:
    while True:
        day = datetime.date.fromordinal(generator.randint(FIRST, LAST))
        if is_for_testing(day) == for_testing:
            return day


def _written(code: str, day: datetime.date, form: str) -> Example:
    language = languages()[code]
    names = language.short if form == "short" else language.months
    text = (language.full if form == "full" else language.long).format(
        day=day.day, month=names[day.month - 1], year=day.year, weekday=language.weekdays[day.weekday()]
    )
    return f"{code}: {text}", day.isoformat()
