"""Numbers that models answer are judged by Spearman's rank correlation, in tables and claims alike."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from remerge.errors import RemergeError
from remerge.findings.claimed_scores import Scores
from remerge.findings.claims import Claim
from remerge.findings.comparison import compare
from remerge.findings.gate import explanation, judge
from remerge.findings.published import read_published, zero_shot_references
from remerge.findings.section import Section
from remerge.findings.tables import Row, main_table, main_table_markdown, write_csv
from remerge.findings.verdicts import judge as judge_claim
from remerge.scoring import rank_correlation
from remerge.scoring import texts as scoring
from remerge.scoring.answers import pack_classes, pack_right
from remerge.scoring.scores import accuracy, average_accuracy, best_scaling, intervals, read_scores, write_scores
from remerge.t5.architectures import ARCHITECTURES
from remerge.t5.model import T5
from remerge.tasks.glue import GLUE_TASKS, glue_task
from remerge.texts import NO_ANSWER
from remerge.texts.store import TextSet

PUBLISHED = Path(__file__).parent.parent / "published"
ORIGIN = "fusionbench-lora"
Numbers = np.ndarray


def ranked(given: Numbers, true: Numbers, **columns: object) -> pd.DataFrame:
    """A row of a task whose answers are ranked."""
    right = given == true
    row = {"task": "stsb", "split": "test", "correct": int(right.sum()), "n": len(true), "right": pack_right(right)}
    row |= {"predicted": pack_classes(given), "expected": pack_classes(true)}
    return pd.DataFrame([row | columns])


def counted(right: Numbers, **columns: object) -> pd.DataFrame:
    """A row of a task whose answers are right or wrong."""
    row = {"task": "rte", "split": "test", "correct": int(right.sum()), "n": len(right), "right": pack_right(right)}
    return pd.DataFrame([row | {"predicted": pack_classes(right.astype(int))} | columns])


def drawn(n: int, noise: float, seed: int = 0) -> tuple[Numbers, Numbers]:
    """Answers to tenths, and true ones, in thousandths: many tie."""
    generator = np.random.default_rng(seed)
    true = generator.normal(2.5, 1.0, n)
    given = true + noise * generator.normal(size=n)
    return tuple((100 * (10 * each.clip(0, 5)).round()).astype(int) for each in (given, true))  # type: ignore[return-value]


tied = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=4, max_size=12)


@given(tied)
def test_it_is_spearmans_with_mean_ranks_for_ties(pairs: list[tuple[int, int]]) -> None:
    given, true = (np.array(each, float) for each in zip(*pairs, strict=True))
    expected = 0.0 if len(set(given)) == 1 or len(set(true)) == 1 else spearmanr(given, true).statistic
    assert rank_correlation.spearman(given, true) == pytest.approx(expected, abs=1e-12)


@given(tied)
def test_contributions_are_the_jackknifes(pairs: list[tuple[int, int]]) -> None:
    given, true = (np.array(each, float) for each in zip(*pairs, strict=True))
    found, n = rank_correlation.contributions(given, true), len(given)
    left = np.array([rank_correlation.spearman(np.delete(given, i), np.delete(true, i)) for i in range(n)])
    assert found.mean() == pytest.approx(rank_correlation.spearman(given, true))
    assert found - found.mean() == pytest.approx((n - 1) * (left.mean() - left), abs=1e-9)


def test_intervals_and_contributions_have_the_published_variance() -> None:
    given, true = drawn(1500, 0.6)
    scores = ranked(given, true, method="m")
    rho = spearmanr(given, true).statistic
    variance = (1 + rho**2 / 2) * (1 - rho**2) ** 2 / (1500 - 3)
    average = average_accuracy(scores, ["method"]).iloc[0]
    assert average["average"] == pytest.approx(100 * rho)
    assert average["half_width"] == pytest.approx(196 * variance**0.5, rel=1e-4)
    (low, high) = intervals(scores).iloc[0]
    assert low < 100 * rho < high
    assert high - low == pytest.approx(2 * average["half_width"], rel=0.02)
    assert rank_correlation.contributions(given, true).var() / 1500 == pytest.approx(variance, rel=0.15)
    assert rank_correlation.interval(1.0, 9) == (1.0, 1.0)


def test_an_answer_that_is_no_number_counts_as_zero() -> None:
    given, true = np.array([1000, NO_ANSWER, 3000, 500]), np.array([1200, 100, 5000, 900])
    assert accuracy(ranked(given, true)).iloc[0] == pytest.approx(100)
    # None of them is, and none is above another.
    assert accuracy(ranked(np.full(4, NO_ANSWER), true)).iloc[0] == 0


def test_files_keep_the_true_answers_of_the_tasks_that_need_them(tmp_path: Path) -> None:
    given, true = drawn(40, 0.5)
    both = pd.concat([counted(np.arange(10) < 7), ranked(given, true)], ignore_index=True)
    write_scores(tmp_path / "scores.csv", both)
    read = read_scores(tmp_path / "scores.csv")
    assert read["expected"].isna().tolist() == [True, False]
    assert accuracy(read).tolist() == pytest.approx([70, 100 * spearmanr(given, true).statistic])
    assert intervals(read)["low"].iloc[0] == pytest.approx(39.7, abs=0.1)


def test_a_tuned_scaling_is_best_with_correlations_among_accuracies() -> None:
    given, true = drawn(200, 0.1)
    worse = drawn(200, 3.0)[0]
    rows = [
        counted(np.arange(10) < 6, scaling=0.1),
        ranked(given, true, scaling=0.1),
        counted(np.arange(10) < 7, scaling=0.2),
        ranked(worse, true, scaling=0.2),
    ]
    assert best_scaling(pd.concat(rows).assign(split="validation")) == 0.1


def test_models_are_scored_by_equal_answers_and_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sets = {
        "rte": TextSet(["a", "b", "c"], ["yes", "no", "no"]),
        "stsb": TextSet(["d", "e", "f", "g"], ["0.0", "2.5", "4.2", "5.0"]),
    }
    said = {"a": "yes", "b": "no", "c": "not", "d": "0.2", "e": "similar", "f": "4.2", "g": "5"}
    monkeypatch.setattr(scoring, "answers", lambda model, texts, longest, **more: [said[text] for text in texts])
    scores = scoring.score_model(lambda task: T5(ARCHITECTURES["t5-mini"]), sets, progress=False)
    assert scores[["task", "correct", "n", "valid"]].to_numpy().tolist() == [["rte", 2, 3, 2], ["stsb", 1, 4, 3]]
    expected = spearmanr([0.2, 0.0, 4.2, 5.0], [0.0, 2.5, 4.2, 5.0]).statistic
    assert accuracy(scores).tolist() == pytest.approx([200 / 3, 100 * expected])


# Tables and claims


def of_methods() -> tuple[pd.DataFrame, dict[str, Row]]:
    rows = []
    for name, right, noise in (("pretrained", 60, 1.5), ("individual", 90, 0.3), ("ties", 70, 1.0)):
        own = pd.concat([counted(np.arange(100) < right), ranked(*drawn(300, noise))])
        rows.append(own.assign(method=name, valid=[100, 290]))
    methods = {name: Row(name.title(), name) for name in ("pretrained", "individual", "ties")}
    return pd.concat(rows, ignore_index=True), methods


def test_the_main_table_averages_correlations_as_percentages(tmp_path: Path) -> None:
    scores, methods = of_methods()
    table = main_table(scores, methods, ["rte", "stsb"]).set_index("method")
    rho = spearmanr(*drawn(300, 1.0)).statistic
    row = table.loc["Ties"]
    assert row["stsb"] == pytest.approx(100 * rho)
    assert row["average"] == pytest.approx((70 + 100 * rho) / 2)
    assert row["stsb correct"] is None
    assert row["stsb n"] == 300
    assert row["stsb low"] < 100 * rho < row["stsb high"]
    remarks = {"rte": "GLUE's validation set", "stsb": "GLUE's validation set"}
    text = main_table_markdown(table.reset_index(), methods, {"rte": "real", "stsb": "real"}, {}, remarks)
    assert "rte, stsb: GLUE's validation set." in text
    write_csv(tmp_path / "main.csv", table.reset_index())
    described = {name: {"label": row.label, "algorithm": row.algorithm, "uses": []} for name, row in methods.items()}
    section = Section("p", "s", ["rte", "stsb"], [], {"main": [str(tmp_path / "main.csv")]}, {}, {}, "texts", described)
    assert section.main.set_index("id")["average"]["ties"] == pytest.approx(row["average"], abs=0.005)


def test_claims_resample_what_examples_contribute(tmp_path: Path) -> None:
    scores, _ = of_methods()
    for name in ("individual", "ties"):
        write_scores(tmp_path / f"{name}.csv", scores[scores["method"] == name])
    made = Scores(methods={name: tmp_path / f"{name}.csv" for name in ("individual", "ties")}, merged=["ties"])
    claim = Claim(
        statement="Experts are better.", paper="2310.02575", section="1", above={"method": "individual"},
        below={"method": "ties"},
    )  # fmt: skip
    verdict = judge_claim(claim, made)
    assert verdict is not None
    samples = [drawn(300, noise) for noise in (0.3, 1.0)]
    rhos = [spearmanr(*each).statistic for each in samples]
    assert verdict.difference == pytest.approx(10 + 50 * (rhos[0] - rhos[1]))
    generator, differences = np.random.default_rng(1), []
    for _ in range(500):
        places, others = generator.integers(300, size=300), generator.integers(100, size=100)
        share = ((others < 90).mean() - (others < 70).mean()) / 2
        above, below = (spearmanr(*(each[places] for each in sample)).statistic for sample in samples)
        differences.append(100 * share + 50 * (above - below))
    expected = np.quantile(differences, [0.025, 0.975])
    assert [verdict.low, verdict.high] == pytest.approx(expected, abs=0.7)


# Published numbers


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    return read_published(PUBLISHED / "main.csv")


@pytest.mark.parametrize("architecture", ["flan-t5-base", "flan-t5-large"])
def test_tables_compare_with_the_points_that_figures_draw(published: pd.DataFrame, architecture: str) -> None:
    points = pd.read_csv(PUBLISHED / "curves_by_task.csv")
    points = points[points["architecture"] == architecture]
    own = published[(published["origin"] == ORIGIN) & (published["architecture"] == architecture)]
    places = {
        "pretrained": ("task-arithmetic", 0.0),
        "individual": ("individual", None),
        "weight-averaging": ("weight-averaging", None),
        "task-arithmetic": ("task-arithmetic", 0.3),
        "ties": ("ties", 0.3),
    }
    assert set(own["method"]) == set(places)
    for method, (curve, scaling) in places.items():
        at = points["scaling"].isna() if scaling is None else points["scaling"] == scaling
        known = points[(points["method"] == curve) & at].set_index("task")["score"]
        found = own[own["method"] == method].set_index("task")["exact"]
        assert found.drop("average").to_dict() == known.to_dict()
        assert found["average"] == pytest.approx(known.mean(), abs=1e-4)


def zero_shot(published: pd.DataFrame, **changed: float) -> pd.DataFrame:
    """The scores of Flan-T5-base as published, some of them changed by points."""
    known = zero_shot_references(published, ORIGIN, "flan-t5-base")[ORIGIN]
    rows = []
    for task in GLUE_TASKS:
        n, value = glue_task(task).sizes["test"], known[task] + changed.get(task, changed.get("every", 0.0))
        if task == "stsb":
            # Noise of this size correlates as Flan-T5-base does.
            rows.append(ranked(*drawn(n, 1.13 + changed.get("noise", 0.0))))
        else:
            rows.append(counted(np.arange(n) < round(n * value / 100)).assign(task=task))
    return pd.concat(rows, ignore_index=True).assign(method="pretrained")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, ""),
        ({"every": -3.0, "noise": 2.0}, "Likely cause: weights or tokeniser"),
        (
            {"mnli": -5.0},
            "mnli: 51.5 % of 9815, published 56.5 (fusionbench-lora). Likely cause: instruction or answers",
        ),
        ({"noise": 3.0}, "stsb: "),
    ],
)
def test_the_gate_holds_flan_t5_to_the_published_scores(
    published: pd.DataFrame, changed: dict[str, float], told: str
) -> None:
    references = zero_shot_references(published, ORIGIN, "flan-t5-base")
    assert list(references) == [ORIGIN]
    verdicts = judge(zero_shot(published, **changed), references, 1.0)
    assert (told in explanation(verdicts, 1.0)) if told else verdicts["passes"].all()


def test_the_gate_names_a_wrong_split(published: pd.DataFrame) -> None:
    references = zero_shot_references(published, ORIGIN, "flan-t5-base")
    short = counted(np.arange(100) < 10, method="pretrained")
    told = explanation(judge(short, references, 1.0), 1.0)
    assert "split: 100 test texts were scored, the validation set of GLUE has 277" in told


def test_a_comparison_has_the_interval_of_the_correlation(published: pd.DataFrame) -> None:
    own = published[(published["origin"] == ORIGIN) & (published["architecture"] == "flan-t5-base")]
    table = compare(
        *(zero_shot(published), own, ["pretrained"], list(GLUE_TASKS), {}, {}, {"pretrained": "pretrained"}, {}),
        {"stsb": "a correlation"},
    ).set_index("task")
    assert table.loc["cola", "correct"] == 721
    assert table.loc["cola", "published"] == 69.1275
    row = table.loc["stsb"]
    assert np.isnan(row["correct"])
    assert row["high"] - row["low"] == pytest.approx(6.6, abs=1.0)
    assert row["flags"] == "a correlation"
    assert table.loc["average (8/8)", "ours"] == pytest.approx(table["ours"].drop("average (8/8)").mean())


def test_scores_without_answers_to_rank_are_refused() -> None:
    broken = ranked(*drawn(10, 1.0)).assign(n=12, right=pack_right(np.zeros(12, bool)), correct=0)
    with pytest.raises(RemergeError, match="of another number of images than 12"):
        accuracy(broken)
