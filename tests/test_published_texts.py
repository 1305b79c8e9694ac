"""The curves published for Flan-T5 are whole, add up, and say what published/README.md says of them."""

from pathlib import Path

import pandas as pd
import pytest

from remerge.findings.published import curves
from remerge.methods.measured import read_measured

FOLDER = Path(__file__).parent.parent / "published"
ORIGIN = "fusionbench-lora"
MODELS = ("flan-t5-base", "flan-t5-large")
CURVES = ("task-arithmetic", "ties")
SCALINGS = [k / 10 for k in range(11)]
# Sizes of GLUE's validation sets.
EXAMPLES = {"cola": 1043, "mnli": 9815, "mrpc": 408, "qnli": 5463, "qqp": 40430, "rte": 277, "sst2": 872, "stsb": 1500}


@pytest.fixture(scope="module")
def by_task() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "curves_by_task.csv")


def average(by_task: pd.DataFrame, model: str, method: str) -> pd.Series:
    """The average over tasks by scaling."""
    rows = by_task[(by_task["architecture"] == model) & (by_task["method"] == method)]
    return rows.groupby("scaling", dropna=False)["score"].mean()


def half_width(rows: pd.DataFrame) -> float:
    """Half the 95 % interval of an average (points), by the usual variances of shares and of rank correlations."""
    share, n = rows["score"] / 100, rows["n"]
    of_shares = share * (1 - share) / n
    of_correlations = (1 + share**2 / 2) * (1 - share**2) ** 2 / (n - 3)
    variances = of_correlations.where(rows["task"] == "stsb", of_shares)
    return 100 * 1.96 * variances.sum() ** 0.5 / len(rows)


def test_every_point_is_there_once_with_its_source(by_task: pd.DataFrame) -> None:
    sources = set(pd.read_csv(FOLDER / "sources.csv")["key"])
    points: list[tuple[str, float | None]] = [(method, scaling) for method in CURVES for scaling in SCALINGS]
    points += [("individual", None), ("weight-averaging", None)]
    expected = {(model, *point, task) for model in MODELS for point in points for task in EXAMPLES}
    keys = by_task[["architecture", "method", "scaling", "task"]].astype(object)
    found = list(keys.where(keys.notna(), None).itertuples(index=False, name=None))
    assert set(found) == expected
    assert len(found) == len(expected)
    assert set(by_task["origin"]) == {ORIGIN}
    assert set(by_task["source"]) <= sources
    # The curves begin at the pre-trained model.
    assert {"pretrained", *by_task["method"]} == read_measured(FOLDER / "methods.yaml")[ORIGIN].keys()
    assert (by_task["n"] == by_task["task"].map(EXAMPLES)).all()


def test_every_accuracy_is_a_whole_number_of_right_answers(by_task: pd.DataFrame) -> None:
    rows = by_task[by_task["task"] != "stsb"]
    right = rows["n"] * rows["score"] / 100
    # Scores have four decimals.
    assert ((right - right.round()).abs() <= rows["n"] * 0.5e-6 + 1e-9).all()
    assert by_task["score"].between(0, 100).all()


@pytest.mark.parametrize("model", MODELS)
def test_curves_are_the_averages_over_tasks(by_task: pd.DataFrame, model: str) -> None:
    published = curves(FOLDER / "curves.csv", ORIGIN, model)
    assert set(published["method"]) == set(CURVES)
    for method, curve in published.groupby("method"):
        assert list(curve["scaling"]) == SCALINGS
        assert list(curve["average"]) == pytest.approx(list(average(by_task, model, str(method))), abs=1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_the_two_methods_do_not_differ_where_they_are_best(by_task: pd.DataFrame, model: str) -> None:
    best = {method: average(by_task, model, method).max() for method in CURVES}
    scaling = average(by_task, model, "ties").idxmax()
    rows = by_task[(by_task["architecture"] == model) & (by_task["method"] == "ties") & (by_task["scaling"] == scaling)]
    assert abs(best["ties"] - best["task-arithmetic"]) < half_width(rows) < 1


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method", CURVES)
def test_most_of_the_fall_is_three_tasks_whose_labels_are_no_longer_said(
    by_task: pd.DataFrame, model: str, method: str
) -> None:
    curve = average(by_task, model, method)
    table = by_task[(by_task["architecture"] == model) & (by_task["method"] == method)].pivot_table(
        index="scaling", columns="task", values="score"
    )
    fall = table.loc[curve.idxmax()] - table.loc[1.0]
    assert 0.63 <= round(fall[["cola", "mnli", "sst2"]].sum() / fall.sum(), 2) <= 0.83
    assert (table.loc[1.0, ["cola", "mnli"]] == 0).all()
    # A tenth of what naming one label throughout would give.
    assert table.loc[1.0, "sst2"] < 5


def test_cola_says_nothing_on_base(by_task: pd.DataFrame) -> None:
    rows = by_task[(by_task["architecture"] == "flan-t5-base") & (by_task["task"] == "cola")]
    right = (rows["n"] * rows["score"] / 100).round().astype(int)
    pretrained = right[(rows["scaling"] == 0.0)]
    assert set(pretrained) == set(right[rows["method"] == "individual"]) == {721}
    assert right.max() <= 721 + 6
