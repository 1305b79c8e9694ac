"""Dates in eight languages are written as these do, and no date is in two splits."""

import datetime
import re
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remerge.tasks.dates import (
    MASKED,
    SIZES,
    TASKS,
    examples,
    languages,
    number_of,
    pretraining_examples,
    split_of,
)
from remerge.texts import NO_ANSWER

FIRST, LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)


@pytest.mark.parametrize("name", ["english", *TASKS])
def test_every_language_is_whole(name: str) -> None:
    language = languages()[name]
    assert [len(names) for names in (language.months, language.short, language.weekdays)] == [12, 12, 7]
    for names in (language.months, language.short, language.weekdays):
        assert len(set(names)) == len(names)
    assert all(blank in language.long for blank in ("{day}", "{month}", "{year}"))
    assert "{weekday}" in language.full


def test_names_conflict_between_languages() -> None:
    october, november = languages()["croatian"].months[9], languages()["polish"].months[10]
    assert october == november == "listopada"
    assert languages()["czech"].short[7] == languages()["croatian"].short[6] == "srp"


@pytest.mark.parametrize("task", TASKS)
def test_answers_are_the_dates_of_their_texts(task: str) -> None:
    language = languages()[task]
    for text, answer in examples(task, "test"):
        day = datetime.date.fromisoformat(answer)
        assert text.startswith(f"{language.code}: ")
        written = text.removeprefix(f"{language.code}: ")
        assert re.findall(r"\d+", written) == [str(day.day), str(day.year)]
        assert language.months[day.month - 1] in written or language.short[day.month - 1] in written


@pytest.mark.parametrize("task", TASKS)
def test_no_date_is_in_two_splits(task: str) -> None:
    found = {split: {answer for _, answer in examples(task, split)} for split in SIZES}
    assert {split: len(examples(task, split)) for split in SIZES} == SIZES
    assert not any(found[one] & found[other] for one, other in combinations(found, 2))
    assert examples(task, "test") == examples(task, "test")


def test_pretraining_shows_training_dates_alone() -> None:
    drawn = [example for step in range(20) for example in pretraining_examples(step, 64, 0.02)]
    answers = [answer for text, answer in drawn if MASKED not in text]
    assert {split_of(datetime.date.fromisoformat(answer)) for answer in answers} == {"train"}
    kinds = Counter("restored" if MASKED in text else text.split(":")[0] for text, _ in drawn)
    exposed = sum(kinds[languages()[task].code] for task in TASKS)
    # 2 % of 1,280, give or take four standard deviations.
    assert 5 <= exposed <= 46
    assert pretraining_examples(3, 8, 0.02) == pretraining_examples(3, 8, 0.02) != pretraining_examples(4, 8, 0.02)


def test_what_is_left_out_is_the_answer() -> None:
    restored = [example for step in range(5) for example in pretraining_examples(step, 64, 0.0) if MASKED in example[0]]
    assert restored
    codes = {languages()[task].code for task in TASKS}
    for text, answer in restored:
        code, written = text.replace(MASKED, answer).split(": ", 1)
        assert code in codes
        assert 1 <= len(answer) <= 5
        assert written


@given(st.dates(FIRST, LAST))
def test_every_date_has_a_number(day: datetime.date) -> None:
    number = number_of(day.isoformat())
    assert FIRST + datetime.timedelta(number) == day
    assert 0 <= number < NO_ANSWER


@pytest.mark.parametrize(
    "answer",
    ["", "2021", "20211012", "2021-W41-2", "2021-02-29", "2021-10-12 ", "1949-12-31", "2050-01-01", "2021-1-02"],
)
def test_other_answers_are_no_dates(answer: str) -> None:
    assert number_of(answer) == NO_ANSWER
