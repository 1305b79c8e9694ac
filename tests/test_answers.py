"""Answers image by image come back from a score file as they were, or not at all."""

import base64
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remerge.errors import RemergeError
from remerge.scoring.answers import pack_classes, pack_right, unpack_classes, unpack_right
from remerge.scoring.scores import read_scores, write_scores


@given(st.lists(st.booleans(), max_size=40))
def test_right_and_wrong_come_back(right: list[bool]) -> None:
    assert unpack_right(pack_right(np.array(right, bool)), len(right)).tolist() == right


@given(st.lists(st.integers(0, 65535), max_size=40))
def test_predicted_classes_come_back(classes: list[int]) -> None:
    assert unpack_classes(pack_classes(np.array(classes, np.int64)), len(classes)).tolist() == classes


@pytest.mark.parametrize("text", ["?", "AAAA", base64.b64encode(zlib.compress(bytes(10**7))).decode()])
def test_answers_to_other_images_are_refused(text: str) -> None:
    for unpack in (unpack_right, unpack_classes):
        with pytest.raises(RemergeError):
            unpack(text, 3)


def test_a_score_file_whose_counts_and_answers_differ_is_refused(tmp_path: Path) -> None:
    right = np.array([True, False, True])
    row = {"task": ["a"], "split": ["test"], "correct": [2], "n": [3], "right": [pack_right(right)]}
    write_scores(tmp_path / "scores.csv", pd.DataFrame(row))
    assert unpack_right(read_scores(tmp_path / "scores.csv")["right"][0], 3).tolist() == right.tolist()
    text = (tmp_path / "scores.csv").read_text().replace(",2,3,", ",1,3,")
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(RemergeError, match="row 1: 1 correct, but 2 right answers"):
        read_scores(tmp_path / "scores.csv")
