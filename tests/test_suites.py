"""Accuracy against the number of tasks is that of every suite's main table."""

import numpy as np
import pandas as pd
import pytest

from remerge.figures.style import Look
from remerge.figures.suites import suites_figure
from remerge.findings.suites import suites_latex, suites_markdown, suites_table
from remerge.findings.tables import Row, main_table

METHODS = {
    "emr": Row("EMR", "emr"),
    "ind": Row("Individual", "individual"),
    "ta": Row("Task_Arithmetic", "task_arithmetic"),
    "ties": Row("TIES", "ties", ["validation labels"]),
}
SUITES = {"one": ["a"], "three": ["c", "a", "b"]}
CORRECT = {
    "one": {"emr": [99], "ind": [100], "ta": [80], "ties": [90]},
    "three": {"emr": [90, 90, 90], "ind": [80, 100, 50], "ta": [40, 60, 20], "ties": [32, 50, 10]},
}


@pytest.fixture
def scores() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"suite": suite, "method": method, "task": task, "split": "test", "correct": correct, "n": 100}
            for suite, methods in CORRECT.items()
            for method, counts in methods.items()
            for task, correct in zip(SUITES[suite], counts, strict=True)
        ]
    )


def rows(text: str) -> dict[str, list[str]]:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "|" in line]
    return {name: rest for name, *rest in cells}


def test_numbers_are_those_computed_by_hand_and_those_of_the_main_tables(scores: pd.DataFrame) -> None:
    table = suites_table(scores, METHODS, SUITES).set_index(["suite", "method"])
    assert list(table.index) == [(suite, name) for suite in SUITES for name in ("ind", "ta", "ties", "emr")]
    three = table.loc["three", "ta"]
    assert three[["tasks", "averaged", "average"]].tolist() == pytest.approx([3, 3, 40])
    assert three["normalised"] == pytest.approx(100 * (40 / 80 + 60 / 100 + 20 / 50) / 3)
    assert table.loc["one", "ties"][["tasks", "average", "normalised"]].tolist() == [1, 90, 90]
    for suite, tasks in SUITES.items():
        main = main_table(scores[scores["suite"] == suite], METHODS, tasks)
        assert table.loc[suite]["half_width"].tolist() == main["half_width"].tolist()


def test_each_column_has_its_best_of_each_block(scores: pd.DataFrame) -> None:
    text = suites_markdown(suites_table(scores, METHODS, SUITES), METHODS)
    shown = rows(text)
    assert shown["Method"] == [
        "Average, 1 task", "Average, 3 tasks", "Normalised, 1 task", "Normalised, 3 tasks", "Looks at",
    ]  # fmt: skip
    assert shown["TIES"] == ["**90.0**", "<u>30.7</u>", "**90.0**", "<u>36.7</u>", "validation labels"]
    assert shown["Task_Arithmetic"] == ["<u>80.0</u>", "**40.0**", "<u>80.0</u>", "**50.0**", "–"]
    assert shown["Individual"] == ["100.0", "76.7", "100.0", "100.0", "–"]
    assert shown["EMR"][:2] == ["**99.0**", "**90.0**"]
    assert "Suites: one (1), three (3), each nested in the next." in text
    latex = suites_latex(suites_table(scores, METHODS, SUITES), METHODS)
    assert r"Task\_Arithmetic & \underline{80.0} & \textbf{40.0} & \underline{80.0} & \textbf{50.0} & -- \\" in latex


def test_missing_tasks_are_counted_where_they_are_missing(scores: pd.DataFrame) -> None:
    part = scores[(scores["task"] != "b") | (scores["method"] != "ta")].assign(merged=None)
    part.loc[(part["suite"] == "three") & (part["method"] == "ties"), "merged"] = "a+b"
    table = suites_table(part, METHODS, SUITES)
    shown = rows(suites_markdown(table, METHODS))
    assert shown["Task_Arithmetic"][:2] == ["<u>80.0</u>", "**50.0** (2/3)"]
    assert shown["TIES"][:2] == ["**90.0**", "30.7 (2/3 tasks)"]
    unscored = suites_markdown(suites_table(scores[scores["suite"] == "one"], METHODS, SUITES), METHODS)
    assert rows(unscored)["TIES"][:2] == ["**90.0**", "– (0/3)"]


def test_the_figure_has_a_line_per_scored_method_over_the_numbers_of_tasks(scores: pd.DataFrame) -> None:
    table = suites_table(scores[scores["method"] != "emr"], METHODS, SUITES)
    labels = {name: row.label for name, row in METHODS.items()}
    figure = suites_figure(table, labels, dict.fromkeys(labels, Look("#000000", "-", "o")))
    average, normalised = figure.axes
    assert [panel.get_ylabel() for panel in figure.axes] == ["average accuracy (%)", "normalised accuracy (%)"]
    for panel, values in ((average, [80, 40]), (normalised, [80, 50])):
        assert panel.get_xlabel() == "tasks merged"
        assert panel.get_xticks().tolist() == [1, 3]
        drawn = {str(line.get_label()): line for line in panel.get_lines()}
        assert list(drawn) == ["Individual", "Task_Arithmetic", "TIES"]
        np.testing.assert_allclose(np.asarray(drawn["Task_Arithmetic"].get_ydata(), float), values)
        assert np.asarray(drawn["Task_Arithmetic"].get_xdata()).tolist() == [1, 3]
