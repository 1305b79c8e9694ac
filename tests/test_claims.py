"""Verdicts follow from answers: difference, interval and word, and nothing is judged that was not made."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from remerge.answers import pack_right
from remerge.claims import Claim, Scores, claims_markdown, claims_table, judge, read_claims
from remerge.errors import RemergeError
from remerge.scores import write_scores

ROOT = Path(__file__).parent.parent
BASE = {"statement": "A is better.", "paper": "2310.02575", "section": "Table 1"}


def write(path: Path, answers: dict[str, list[bool]], **columns: object) -> None:
    rows = [
        {"task": task, "split": "test", "correct": sum(right), "n": len(right), "right": pack_right(np.array(right))}
        for task, right in answers.items()
    ]
    before = [pd.read_csv(path)] if path.exists() else []
    write_scores(path, pd.concat([*before, pd.DataFrame(rows).assign(**columns)], ignore_index=True))


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Method a answers 80 of 100 and 30 of 50 rightly; b 70 of the same and 20; c is a's twin."""
    a = {"x": [True] * 80 + [False] * 20, "y": [True] * 30 + [False] * 20}
    b = {"x": [True] * 70 + [False] * 30, "y": [True] * 20 + [False] * 30}
    for name, answers in (("a", a), ("b", b), ("c", a)):
        write(tmp_path / f"scores/s/{name}.csv", answers, pool="p", suite="s", method=name)
    return tmp_path


def claim(above: Mapping[str, object], below: Mapping[str, object], **more: object) -> Claim:
    return Claim.model_validate({**BASE, "above": above, "below": below, **more})


def test_the_difference_is_that_of_averages_over_tasks_and_the_interval_that_of_paired_images(pool: Path) -> None:
    verdict = judge(claim({"method": "a"}, {"method": "b"}), Scores(pool, "s"))
    assert verdict is not None
    assert (verdict.above, verdict.below, verdict.n) == (70.0, 55.0, 150)
    # Half the sum of 10 of 100 and 10 of 50 images answered differently, all in one direction.
    deviation = 50 * (0.1 * 0.9 / 100 + 0.2 * 0.8 / 50) ** 0.5
    assert verdict.low == pytest.approx(15 - 1.96 * deviation, abs=0.6)
    assert verdict.high == pytest.approx(15 + 1.96 * deviation, abs=0.6)
    assert verdict.verdict == "holds"
    # Unpaired, the interval would be more than twice as wide.
    assert verdict.high - verdict.low < 2 * 1.96 * 50 * (2 * 0.2 / 100 + 2 * 0.24 / 50) ** 0.5 / 1.8


@pytest.mark.parametrize(
    ("above", "below", "by", "word"),
    [
        ("a", "b", 5, "holds"),
        ("a", "b", 14, "undecided"),
        ("a", "b", 30, "does not hold"),
        ("b", "a", 0, "does not hold"),
        ("a", "c", 0, "undecided"),
        ("a", "c", -1, "holds"),
    ],
)
def test_the_whole_interval_decides(pool: Path, above: str, below: str, by: float, word: str) -> None:
    verdict = judge(claim({"method": above}, {"method": below}, by=by), Scores(pool, "s"))
    assert verdict is not None
    assert verdict.verdict == word


def test_points_of_curves_and_parts_of_studies_are_found(pool: Path) -> None:
    few, many = {"x": [True, False, False, False]}, {"x": [True, True, True, False]}
    for scaling, answers in ((0.0, few), (0.5, many), (1.0, few)):
        write(pool / "sweeps/s/m/test.csv", answers, scaling=scaling, method="m")
    for step, answers in ((0, few), (50, many)):
        write(pool / "trajectories/s/m.csv", answers, step=step, method="m")
    for part, answers in (("clean", few), ("noise", many)):
        write(pool / f"studies/r/{part}.csv", answers, study="r", part=part, method="m", merged="x+y")
        write(pool / f"studies/r/{part}.csv", few, study="r", part=part, method="k", merged="x+y")
    scores = Scores(pool, "s")
    for above, below, difference in (
        ({"sweep": "m", "scaling": "best"}, {"sweep": "m", "scaling": 1.0}, 50),
        ({"trajectory": "m", "step": "last"}, {"trajectory": "m", "step": "first"}, 50),
        ({"study": "r", "method": "m", "part": "corrupted"}, {"study": "r", "method": "k", "part": "corrupted"}, 50),
        ({"study": "r", "method": "m"}, {"study": "r", "method": "k"}, 25),
        ({"study": "r", "method": "m", "tasks": "seen"}, {"study": "r", "method": "k", "tasks": "seen"}, 25),
    ):
        verdict = judge(claim(above, below), scores)
        assert verdict is not None
        assert verdict.difference == pytest.approx(difference)
    assert judge(claim({"study": "r", "method": "m", "tasks": "unseen"}, {"method": "a"}), scores) is None
    assert judge(claim({"method": "a"}, {"method": "nobody"}), scores) is None


def test_forgetting_is_judged_at_the_lambda_that_validation_images_choose(pool: Path) -> None:
    path = pool / "studies/n/all.csv"
    # At 1 most is forgotten, but the control has lost too much; test images would say otherwise.
    answers = {0.0: (9, 8), 0.5: (4, 8), 1.0: (1, 4)}
    for split in ("validation", "test"):
        for scaling, (target, control) in answers.items():
            own = control if split == "validation" else 8
            counts = {"x": target, "y": own}
            told = {task: [True] * count + [False] * (10 - count) for task, count in counts.items()}
            rows = {task: {"right": right} for task, right in told.items()}
            frame = pd.DataFrame(
                [
                    {"task": t, "split": split, "correct": sum(r["right"]), "n": 10,
                     "right": pack_right(np.array(r["right"])), "merged": "x", "scaling": scaling, "study": "n"}
                    for t, r in rows.items()
                ]
            )  # fmt: skip
            before = [pd.read_csv(path)] if path.exists() else []
            write_scores(path, pd.concat([*before, frame], ignore_index=True))
    sides = [{"negation": "n", "encoder": when, "task": "target"} for when in ("before", "after")]
    verdict = judge(claim(*sides), Scores(pool, "s"))
    assert verdict is not None
    assert verdict.difference == pytest.approx(50)


def test_the_projects_claims_can_be_read_and_name_known_sources() -> None:
    claims = read_claims(ROOT / "published/claims.yaml")
    assert len(claims) >= 20
    known = set(pd.read_csv(ROOT / "published/sources.csv")["key"])
    assert {claim.published.source for claim in claims.values() if claim.published} <= known
    for name, own in claims.items():
        assert own.above != own.below, name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c: {statement: s}", "c.paper"),
        ("c: {statement: s, paper: x, section: s, above: {method: a}, below: {method: b}}", "c.paper"),
        ("c: {statement: s, paper: '2310.02575', section: s, above: {methd: a}, below: {method: b}}", "c.above.methd"),
        ("c: {extra: 1, paper: '2310.02575', section: s, above: {method: a}, below: {method: b}}", "c.extra"),
        ("c: 1\nc: 2", "stands twice"),
    ],
)
def test_bad_claims_are_refused_with_their_key(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "claims.yaml").write_text(text)
    with pytest.raises(RemergeError, match=message):
        read_claims(tmp_path / "claims.yaml")


def test_the_table_says_what_to_bear_in_mind(pool: Path) -> None:
    published = {"above": 2, "below": 1, "source": "k", "encoder": "ViT-B/32"}
    claims = {
        "one": claim({"method": "a"}, {"method": "b"}, published=published),
        "two": claim({"method": "a"}, {"method": "z"}),
    }
    table = claims_table(claims, Scores(pool, "s"), {"y": "3 of 50"}, "mini")
    assert table["caveats"].tolist() == ["contaminated split: y; published for ViT-B/32"]
    assert claims_table(claims, Scores(pool, "s"), {}, "ViT-B-32")["caveats"].tolist() == [""]
    text = claims_markdown(table, len(claims))
    assert "1 holds, 0 does not hold, 0 undecided; 1 of 2 claims need encoders that were not made" in text
    assert "2.0 / 1.0" in text
