"""Dates in eight languages are written as these do, and test dates are in no training text."""

import datetime
import re
from collections import Counter

import pytest

from remerge.tasks.dates import MASKED, TASKS, examples, is_for_testing, languages, pretraining_examples


@pytest.mark.parametrize("code", ["en", *TASKS])
def test_every_language_is_whole(code: str) -> None:
    language = languages()[code]
    assert [len(names) for names in (language.months, language.short, language.weekdays)] == [12, 12, 7]
    for names in (language.months, language.short, language.weekdays):
        assert len(set(names)) == len(names)
    assert all(blank in language.long for blank in ("{day}", "{month}", "{year}"))
    assert "{weekday}" in language.full


def test_names_conflict_between_languages() -> None:
    october, november = languages()["hr"].months[9], languages()["pl"].months[10]
    assert october == november == "listopada"
    assert languages()["cs"].short[7] == languages()["hr"].short[6] == "srp"


@pytest.mark.parametrize("code", TASKS)
def test_answers_are_the_dates_of_their_texts(code: str) -> None:
    language = languages()[code]
    for text, answer in examples(code, "test"):
        day = datetime.date.fromisoformat(answer)
        assert text.startswith(f"{code}: ")
        written = text.removeprefix(f"{code}: ")
        assert re.findall(r"\d+", written) == [str(day.day), str(day.year)]
        assert language.months[day.month - 1] in written or language.short[day.month - 1] in written


@pytest.mark.parametrize("code", TASKS)
def test_no_date_is_in_both_splits(code: str) -> None:
    found = {split: {answer for _, answer in examples(code, split)} for split in ("train", "test")}
    assert all(is_for_testing(datetime.date.fromisoformat(answer)) for answer in found["test"])
    assert not any(is_for_testing(datetime.date.fromisoformat(answer)) for answer in found["train"])
    assert examples(code, "test") == examples(code, "test")


def test_pretraining_shows_test_dates_of_no_language() -> None:
    drawn = [example for step in range(20) for example in pretraining_examples(step, 64, 0.02)]
    answers = [answer for text, answer in drawn if MASKED not in text]
    assert not any(is_for_testing(datetime.date.fromisoformat(answer)) for answer in answers)
    kinds = Counter("restored" if MASKED in text else text.split(":")[0] for text, _ in drawn)
    exposed = sum(kinds[code] for code in TASKS)
    # 2 % of 1,280, give or take four standard deviations.
    assert 5 <= exposed <= 46
    assert pretraining_examples(3, 8, 0.02) == pretraining_examples(3, 8, 0.02) != pretraining_examples(4, 8, 0.02)


def test_what_is_left_out_is_the_answer() -> None:
    restored = [example for step in range(5) for example in pretraining_examples(step, 64, 0.0) if MASKED in example[0]]
    assert restored
    for text, answer in restored:
        code, written = text.replace(MASKED, answer).split(": ", 1)
        assert code in TASKS
        assert 1 <= len(answer) <= 5
        assert written
