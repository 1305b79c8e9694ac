"""Score files hold counts; percentages, averages and intervals follow from them."""

from pathlib import Path

import pandas as pd
import pytest

from remerge.errors import RemergeError
from remerge.scoring.scores import (
    average_accuracy,
    best_scaling,
    read_parts,
    read_scores,
    wilson_interval,
    write_scores,
)


def scores(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"task": ["a", "b"], "split": ["test", "test"], "correct": [3, 50], "n": [10, 50]} | columns)


def test_wilson_intervals_are_the_textbook_values() -> None:
    # Newcombe (1998), table I: 81/263, 15/148, 0/20 and 1/29.
    for correct, n, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        assert wilson_interval(correct, n) == pytest.approx((low, high), abs=6e-5)


def test_tasks_weigh_the_same_whatever_their_size() -> None:
    average = average_accuracy(scores(method=["m", "m"]), ["method"]).iloc[0]
    assert average["average"] == pytest.approx((30 + 100) / 2)
    assert average["tasks"] == 2
    assert average["half_width"] == pytest.approx(100 * 1.959964 * (0.3 * 0.7 / 10) ** 0.5 / 2)


def test_files_come_back_as_written(tmp_path: Path) -> None:
    write_scores(tmp_path / "s.csv", scores(method=["m", "m"], pool=["p", "p"]))
    read = read_scores(tmp_path / "s.csv")
    assert list(read) == ["pool", "method", "task", "split", "correct", "n"]
    assert read["correct"].tolist() == [3, 50]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a score file"),
        ("task,split,correct\na,test,1\n", "no column n"),
        ("task,split,correct,n\n", "no scores"),
        ("task,split,correct,n\na,test,0.5,1\n", "correct must be whole numbers"),
        ("task,split,correct,n\na,test,1,2\nb,test,3,2\n", "row 2: 3 correct of 2"),
        ("task,split,correct,n\na,test,-1,2\n", "row 1"),
        ("task,split,correct,n\na,test,0,0\n", "row 1"),
        ("task,split,correct,n\na,test,1,2\na,test,2,2\n", "stands twice, row 2"),
        ("task,split,correct,n,percent\na,test,1,2,50\n", "unknown column percent"),
    ],
)
def test_files_at_fault_are_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises(RemergeError, match=message) as caught:
        read_scores(path)
    assert str(path) in str(caught.value)
    with pytest.raises(RemergeError, match="no such score file"):
        read_scores(tmp_path / "none.csv")


def sweep(split: str, correct: dict[float, int]) -> pd.DataFrame:
    return pd.DataFrame(
        [{"scaling": s, "task": "a", "split": split, "correct": c, "n": 10} for s, c in correct.items()]
    )


def test_parts_are_read_as_one_and_a_part_may_be_empty(tmp_path: Path) -> None:
    nothing = pd.DataFrame(columns=["task", "split", "correct", "n"])
    with pytest.raises(RemergeError, match="no scores"):
        write_scores(tmp_path / "none.csv", nothing)
    write_scores(tmp_path / "none.csv", nothing, may_be_empty=True)
    write_scores(tmp_path / "some.csv", scores())
    read = read_parts([tmp_path / "none.csv", tmp_path / "some.csv"])
    assert read["correct"].tolist() == [3, 50]
    assert pd.api.types.is_integer_dtype(read["n"])
    assert read_parts([tmp_path / "none.csv"]).empty


def test_the_best_scaling_is_chosen_on_validation_images_alone() -> None:
    assert best_scaling(sweep("validation", {0.1: 3, 0.2: 9, 0.3: 4})) == 0.2
    assert best_scaling(sweep("validation", {0.3: 9, 0.1: 2, 0.2: 9})) == 0.2
    for frame in (
        sweep("test", {0.1: 3}),
        pd.concat([sweep("test", {0.1: 3}), sweep("validation", {0.1: 3})]),
    ):
        with pytest.raises(RemergeError, match="on validation images only"):
            best_scaling(frame)
