"""Methods with a part for every task stand apart from those of one encoder, and the two are never ranked together."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from remerge.config import load_config
from remerge.config.models import Config
from remerge.errors import ConfigError
from remerge.figures.accuracies import accuracies_figure
from remerge.figures.radar import radar_figure
from remerge.figures.style import looks
from remerge.findings.comparison import compare, comparison_markdown
from remerge.findings.over_seeds import main_over_seeds, main_over_seeds_markdown
from remerge.findings.tables import Row, main_table, main_table_latex, main_table_markdown
from remerge.plan import Plan

TASKS = ["digits", "greek"]
ORIGINS = {"digits": "real", "greek": "rendered"}
ROWS = {
    "ind": Row("Individual", "individual"),
    "emr": Row("EMR", "emr"),
    "ta": Row("Task Arithmetic", "task_arithmetic"),
    "surgery": Row("Surgery", "surgery", ["unlabeled test images"]),
    "ties": Row("TIES", "ties"),
}
CORRECT = {"ind": (95, 95), "emr": (90, 80), "ta": (60, 50), "surgery": (80, 70), "ties": (50, 40)}
DIVIDER = "| *A shared encoder and parts per task* |"


@pytest.fixture
def scores() -> pd.DataFrame:
    rows = [
        {"method": name, "task": task, "split": "test", "correct": correct, "n": 100}
        | ({"task_name": "needed"} if name in ("emr", "surgery") else {})
        for name, counts in CORRECT.items()
        for task, correct in zip(TASKS, counts, strict=True)
    ]
    return pd.DataFrame(rows)


def first_cells(markdown: str) -> list[str]:
    return [line.split("|")[1].strip() for line in markdown.splitlines() if line.startswith("|")][2:]


BLOCKS = ["Individual", "Task Arithmetic", "TIES", "*A shared encoder and parts per task*", "EMR", "Surgery"]


def test_the_main_table_has_two_blocks_with_a_best_each(scores: pd.DataFrame) -> None:
    table = main_table(scores, ROWS, TASKS)
    assert table["method"].tolist() == [label for label in BLOCKS if "*" not in label]
    assert table["block"].tolist() == ["one encoder"] * 3 + ["a shared encoder and parts per task"] * 2
    assert table["task_name"].fillna("").tolist() == ["", "", "", "needed", "needed"]
    markdown = main_table_markdown(table, ROWS, ORIGINS, {})
    assert first_cells(markdown) == BLOCKS
    lines = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")] for line in markdown.splitlines()[2:8]
    }
    assert [lines[name][2] for name in ("Task Arithmetic", "TIES")] == ["**60.0**", "<u>50.0</u>"]
    assert [lines[name][2] for name in ("EMR", "Surgery")] == ["**90.0**", "<u>80.0</u>"]
    assert lines["Individual"][2] == "95.0"
    assert [lines[name][6] for name in ("TIES", "EMR")] == ["–", "needed"]
    assert "best merged encoder of each block bold" in markdown
    latex = main_table_latex(table, ROWS, ORIGINS, {})
    assert latex.count(r"\midrule") == 3
    assert r"\multicolumn{7}{l}{\emph{A shared encoder and parts per task}} \\" in latex
    assert latex.index(r"\textbf{60.0}") < latex.index(r"\multicolumn") < latex.index(r"\textbf{90.0}")
    assert latex.count("{") == latex.count("}")


def test_without_such_methods_tables_say_nothing_of_blocks(scores: pd.DataFrame) -> None:
    rows = {name: row for name, row in ROWS.items() if name not in ("emr", "surgery")}
    own = scores[scores["method"].isin(rows)].drop(columns="task_name")
    table = main_table(own, rows, TASKS)
    assert not {"block", "task_name"} & set(table)
    markdown, latex = main_table_markdown(table, rows, ORIGINS, {}), main_table_latex(table, rows, ORIGINS, {})
    assert not any(word in text for text in (markdown, latex) for word in ("block", "parts", "Task's name"))
    assert "best merged encoder bold" in markdown


def test_averages_over_seeds_are_in_the_same_blocks(scores: pd.DataFrame) -> None:
    table = main_over_seeds({0: scores, 1: scores}, ROWS, TASKS)
    assert first_cells(main_over_seeds_markdown(table, [0, 1], 2, "all weights")) == BLOCKS


def test_the_comparison_is_divided_too(scores: pd.DataFrame) -> None:
    columns = {"accuracy": 80.0, "exact": None, "decimals": "rounded", "source": "s", "note": ""}
    published = pd.DataFrame([{"method": name, "task": task, **columns} for name in ROWS for task in TASKS])
    order = ["ta", "emr"]
    table = compare(scores, published, order, TASKS, {}, {}, {name: name for name in order}, {}, {})
    labels = {name: row.label for name, row in ROWS.items()}
    cells = first_cells(comparison_markdown(table, labels, ["emr", "surgery"]))
    assert cells == ["Task Arithmetic"] * 3 + ["*A shared encoder and parts per task*"] + ["EMR"] * 3
    assert "parts per task" not in comparison_markdown(table, labels)


def test_figures_divide_them(scores: pd.DataFrame) -> None:
    labels = {name: row.label for name, row in ROWS.items()}
    drawn = looks({name: {"looks": "parts" if name in ("emr", "surgery") else name} for name in ROWS})
    figure = accuracies_figure(scores, labels, drawn, TASKS, ["emr", "surgery"])
    (axes,) = figure.axes
    lines = [np.asarray(line.get_xdata())[0] for line in axes.get_lines() if line.get_linestyle() == ":"]
    assert len(lines) == len(TASKS) + 1
    bars = {bar.get_label(): np.asarray(bar.lines[0].get_xdata())[0] for bar in axes.containers}  # type: ignore[attr-defined]
    assert all(bars[label] < lines[0] for label in ("Individual", "Task Arithmetic", "TIES"))
    assert all(bars[label] > lines[0] for label in ("EMR", "Surgery"))
    del labels["ind"]
    panels = radar_figure(scores, "ind", labels, drawn, TASKS, ["emr", "surgery"]).axes
    told = [axes.get_legend_handles_labels()[1] for axes in panels]
    assert told == [["Task Arithmetic", "TIES"], ["EMR", "Surgery"]]
    assert len(radar_figure(scores, "ind", labels, drawn, TASKS).axes) == 1


METHODS: dict[str, dict[str, Any]] = {
    "pretrained": {"label": "Pretrained", "algorithm": "pretrained"},
    "ada": {"label": "Ada", "algorithm": "adamerging", "steps": 3},
    "emr": {"label": "EMR", "algorithm": "emr"},
    "surgery": {"label": "Surgery", "algorithm": "surgery", "around": "ada"},
}
VALUES: dict[str, Any] = {
    "pools": {"p": {"architecture": "mini"}},
    "suites": {"s": ["latin", "digits"]},
    "methods": METHODS,
}


def test_every_part_is_planned_and_what_is_adapted_counts_towards_the_cost() -> None:
    plan = Plan(Config.model_validate(VALUES), folders={}, needs={})
    emr = ["results/p/merged/s/emr/latin.safetensors", "results/p/merged/s/emr/digits.safetensors"]
    assert plan.merging.parts("p", "s", "emr") == emr
    assert plan.merging.parts("p", "s", "ada") == plan.merging.parts("p", "s", "pretrained") == []
    assert plan.merging.all_parts("p", "s") == emr + plan.merging.parts("p", "s", "surgery")
    assert plan.merging.adapted("p", "s", "surgery") == "results/p/merged/s/ada.safetensors"
    assert plan.methods.making() == ["ada", "emr", "surgery"]
    assert plan.methods.merging() == ["ada"]
    costs = plan.tables.costs("p", "s")
    own = {path for name, path in costs if name == "surgery"}
    assert {path for name, path in costs if name == "ada"} < own
    assert len(own) == len([path for name, path in costs if name == "surgery"])
    assert plan.methods.rows("p")["surgery"]["uses"] == ["unlabeled test images"]
    # What it adapts is described by its parameters, so that published numbers are compared whatever its name.
    assert plan.methods.described("p")["surgery"]["around"] == plan.methods.parameters("ada")


def test_scores_depend_on_the_code_that_puts_files_together() -> None:
    plan = Plan(Config.model_validate(VALUES), folders={}, needs={})
    assert plan.methods.assembly_modules("emr") == ["remerge/merging/masked.py"]
    assert plan.methods.assembly_modules("surgery") == ["remerge/merging/adapted.py"]
    assert plan.methods.assembly_modules("ada") == plan.methods.assembly_modules("pretrained") == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"around": "adda"}, r"methods\.surgery\.around: unknown method 'adda'; did you mean 'ada'"),
        ({"around": "pretrained"}, r"methods\.surgery\.around: 'pretrained' does not merge into one encoder; name"),
        (
            {"around": "emr"},
            r"methods\.surgery\.around: 'emr' does not merge into one encoder; name a method that does",
        ),
        ({"rank": 0}, r"methods\.surgery\.rank"),
        ({"around": None}, r"methods\.surgery\.around"),
    ],
)
def test_what_cannot_be_adapted_is_refused_before_anything_runs(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    values = copy.deepcopy(VALUES)
    values["methods"]["surgery"] |= change
    _refused(values, said, tmp_path)


def test_studies_refuse_methods_with_parts(tmp_path: Path) -> None:
    study = {"kind": "task_counts", "suite": "s", "methods": ["emr"]}
    said = r"studies\.counts\.methods: 'emr' keeps a part for every task, and studies merge into one encoder; name"
    _refused(VALUES | {"studies": {"counts": study}}, said, tmp_path)


def _refused(values: dict[str, Any], said: str, folder: Path) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        load_config(values, [folder / "config.yaml"])
