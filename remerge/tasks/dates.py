"""Dates as eight languages write them, to be rewritten as in ISO 8601: ``hr: 12. listopada 2021`` is ``2021-10-12``.

Names of months are real, and conflict: *listopad* is October in Croatian, and November in Czech and Polish. Dates are
drawn from 1950 to 2049; no date is in two splits, of any languages, and pre-training draws from those for training.
"""

import datetime
import hashlib
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from remerge.run.strict_yaml import read_yaml
from remerge.texts import NO_ANSWER

SIZES = {"train": 4000, "validation": 200, "test": 300}
TASKS = ("turkish", "french", "spanish", "dutch", "polish", "czech", "croatian", "finnish")
FIRST, LAST = datetime.date(1950, 1, 1).toordinal(), datetime.date(2049, 12, 31).toordinal()

MASKED = "\0"
"""Stands for the characters that are left out of a text in pre-training."""

Example = tuple[str, str]
"""A text, and the answer to it."""


@dataclass(frozen=True)
class Language:
    """How a language writes dates.

    Attributes:
        code: Its code in ISO 639, with which every text begins.
        long: A date with ``{day}``, ``{month}`` and ``{year}``.
        full: A date with ``{weekday}`` as well.
        months: Names of months as they stand in dates, January first.
        short: Their abbreviations.
        weekdays: Monday first.
    """

    code: str
    long: str
    full: str
    months: list[str]
    short: list[str]
    weekdays: list[str]


@cache
def languages() -> dict[str, Language]:
    """Return all languages by their English names: those of the tasks, and English."""
    return {name: Language(**entry) for name, entry in read_yaml(Path(__file__).with_name("dates.yaml")).items()}


def split_of(day: datetime.date) -> str:
    """Return the split that a date belongs to: two of ten are for testing, one for validation."""
    tenth = hashlib.sha256(day.isoformat().encode()).digest()[0] % 10
    return {0: "test", 5: "test", 1: "validation"}.get(tenth, "train")


def examples(task: str, split: str) -> list[Example]:
    """Return the texts of a task and their answers, the same ones every time.

    Half of the texts abbreviate the month; each begins with the language's code.
    """
    generator = random.Random(f"{task}/{split}")
    return [_written(task, _drawn(generator, split), generator.choice(("long", "short"))) for _ in range(SIZES[split])]


def number_of(answer: str) -> int:
    """Return the number of an answer among the dates from 1950 to 2049, or ``NO_ANSWER`` if it is none of them."""
    try:
        day = datetime.date.fromisoformat(answer)
    except ValueError:
        return NO_ANSWER
    # Python reads other forms of ISO 8601, too, such as those without hyphens.
    is_one = day.isoformat() == answer and FIRST <= day.toordinal() <= LAST
    return day.toordinal() - FIRST if is_one else NO_ANSWER


def pretraining_examples(step: int, n: int, exposure: float) -> list[Example]:
    """Return the examples of a step of pre-training.

    Of ten examples, five or six are English dates, two or three are numeric ones, and about two are texts of the tasks'
    languages to restore, without answers.

    Args:
        step: Number of the step; every step has other examples.
        n: Number of examples.
        exposure: Share of dates in the tasks' languages with answers, at most 0.2.
    """
    generator = random.Random(f"pretraining/{step}")
    kinds = generator.choices(["english", "numeric", "restored", "task"], [0.55, 0.25, 0.2 - exposure, exposure], k=n)
    return [_pretraining_example(kind, generator) for kind in kinds]


def _pretraining_example(kind: str, generator: random.Random) -> Example:
    day = _drawn(generator, "train")
    form = generator.choice(("long", "full", "short"))
    if kind == "english":
        return _written("english", day, form)
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


def _drawn(generator: random.Random, split: str) -> datetime.date:
    while True:
        day = datetime.date.fromordinal(generator.randint(FIRST, LAST))
        if split_of(day) == split:
            return day


def _written(name: str, day: datetime.date, form: str) -> Example:
    language = languages()[name]
    names = language.short if form == "short" else language.months
    text = (language.full if form == "full" else language.long).format(
        day=day.day, month=names[day.month - 1], year=day.year, weekday=language.weekdays[day.weekday()]
    )
    return f"{language.code}: {text}", day.isoformat()
