"""The leaderboard has blocks by what the registry says that methods need, and never mixes families of checkpoints."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from remerge.findings.leaderboard import (
    REFERENCES,
    leaderboard,
    leaderboard_latex,
    leaderboard_markdown,
    needs,
    published_columns,
)
from remerge.findings.published import read_published
from remerge.findings.tables import Row, main_table
from remerge.methods.measured import read_measured
from remerge.methods.registry import ALGORITHMS, MERGING, WITH_PARTS
from remerge.scoring.held_out import looks_at

ROOT = Path(__file__).parent.parent
PUBLISHED = read_published(ROOT / "published/main.csv")
MEASURED = read_measured(ROOT / "published/methods.yaml")
TASKS = ["x", "y"]
METHODS = {
    "pre": Row("Pretrained", "pretrained"),
    "ties": Row("TIES", "ties", ["validation labels"]),
    "mean": Row("Mean", "weight_averaging"),
    "ta": Row("Task Arithmetic", "task_arithmetic"),
    "ada": Row("AdaMerging", "adamerging", ["unlabeled test images"]),
    "emr": Row("EMR", "emr"),
    "surgery": Row("Surgery", "surgery", ["unlabeled test images"]),
}
CORRECT = {"pre": 20, "ties": 70, "mean": 50, "ta": 60, "ada": 80, "emr": 95, "surgery": 90}
NOTHING = "needs nothing but the checkpoints"
PARTS = "needs a part for every task"


def scored(**merged: str) -> pd.DataFrame:
    """The main table of these methods, of which some merge only some tasks."""
    rows = [
        {"method": name, "task": task, "split": "test", "correct": correct, "n": 100, "merged": merged.get(name)}
        for name, correct in CORRECT.items()
        for task in TASKS
    ]
    return main_table(pd.DataFrame(rows), METHODS, TASKS)


COSTS = pd.DataFrame(
    [["Task Arithmetic", 3.0, 20.0, 0.0, 0.0, None], ["EMR", 4.0, 40.0, 0.7, None, "needed"]],
    columns=["method", "seconds", "shared", "per_task", "more_per_image", "task_name"],
)


def lines(markdown: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines() if "|" in line]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("is_tuned", [False, True])
def test_a_methods_block_is_what_the_registry_says_that_it_needs(algorithm: str, is_tuned: bool) -> None:
    entry = ALGORITHMS[algorithm]
    uses = looks_at(entry.needs, is_tuned, holds_out=True)
    title = needs(Row("x", algorithm, uses))
    if entry.kind not in (*MERGING, *WITH_PARTS):
        assert title == REFERENCES
    else:
        assert all(data in title for data in uses)
        assert ("a part for every task" in title) == (entry.kind in WITH_PARTS)
        assert ("nothing" in title) == (not uses and entry.kind not in WITH_PARTS)


def test_blocks_go_from_little_to_much_and_the_best_comes_first() -> None:
    table = leaderboard(scored(), METHODS, COSTS, {})
    assert list(zip(table["block"], table["method"], strict=True)) == [
        (REFERENCES, "Pretrained"),
        (NOTHING, "Task Arithmetic"),
        (NOTHING, "Mean"),
        ("needs validation labels", "TIES"),
        ("needs unlabeled test images", "AdaMerging"),
        (PARTS, "EMR"),
        ("needs unlabeled test images and a part for every task", "Surgery"),
    ]
    row = table.set_index("method").loc["Task Arithmetic"]
    assert row["average"] == 60
    assert row["half_width"] == pytest.approx(100 * 1.96 * (2 * 0.6 * 0.4 / 100) ** 0.5 / 2, rel=1e-4)
    assert (row["shared"], row["per_task"], row["more_per_image"]) == (20, 0, 0)
    assert table.set_index("method").loc["Mean", ["shared", "task_name"]].isna().all()


def test_every_block_has_its_best_and_no_number_competes_across_blocks_or_columns() -> None:
    published = {"f ViT-B-32": {"pre": 99.0, "ta": 30.0, "mean": 40.0, "ada": 80.0}, "f ViT-L-14": {"ta": 90.0}}
    table = leaderboard(scored(), METHODS, COSTS, published)
    text = leaderboard_markdown(table, scored(), TASKS)
    head, _, *body = lines(text)
    assert head[:5] == ["Method", "Average", "±", "f B-32", "f L-14"]
    rows = {row[0]: row for row in body}
    assert rows["Task Arithmetic"][1:5] == ["**60.0**", "6.8", "<u>30.0</u>", "**90.0**"]
    assert rows["Mean"][1:5] == ["<u>50.0</u>", "6.9", "**40.0**", "–"]
    assert rows["AdaMerging"][1] == "**80.0**"
    assert rows["Pretrained"][3] == "99.0"
    assert "*Needs a part for every task*" in rows
    assert head[-4:] == ["Shared (MB)", "Per task (MB)", "More per image (%)", "Task's name"]
    assert [rows[name][-4:] for name in ("Task Arithmetic", "EMR")] == [
        ["20.0", "0.00", "0.0", "–"],
        ["40.0", "0.70", "–", "needed"],
    ]
    latex = leaderboard_latex(table, scored(), TASKS)
    assert r"\emph{Needs validation labels}" in latex
    assert latex.count(r"\textbf{60.0}") == latex.count(r"\textbf{50.0}") + 1 == 1
    assert r"$\pm$" in latex


def test_what_merges_fewer_tasks_says_so_and_does_not_compete() -> None:
    scores = scored(ta="x")
    text = leaderboard_markdown(leaderboard(scores, METHODS, COSTS, {}), scores, TASKS)
    rows = {row[0]: row for row in lines(text)}
    assert rows["Task Arithmetic (1/2 tasks)"][1] == "60.0"
    assert rows["Mean"][1] == "**50.0**"
    assert "fewer tasks" in text


def plain(**changed: Any) -> dict[str, dict[str, Any]]:
    ties = {"algorithm": "ties", "keep": 0.2, "merge": "sum", "scope": "vector", "scaling": 0.3}
    return {"pre": {"algorithm": "pretrained"}, "mine": ties | changed, "ind": {"algorithm": "individual"}}


def test_a_column_has_one_family_and_one_encoder() -> None:
    columns = published_columns(PUBLISHED, MEASURED, plain(), [])
    for column, values in columns.items():
        family, encoder = column.split(" ")
        own = PUBLISHED[(PUBLISHED["origin"] == family) & (PUBLISHED["architecture"] == encoder)]
        of_all = own[own["task"] == "average"].set_index("method")
        exact = of_all["exact"].fillna(of_all["accuracy"])
        names = {"pre": "pretrained", "mine": "ties", "ind": "individual"}
        assert values == {method: exact[name] for method, name in names.items() if name in exact}
    assert columns["task-vectors ViT-B-32"]["mine"] == 72.4
    assert columns["fusionbench ViT-B-32"]["mine"] == 72.2


def test_a_number_is_joined_by_parameters_and_not_by_name() -> None:
    assert all("mine" not in values for values in published_columns(PUBLISHED, MEASURED, plain(keep=0.1), []).values())
    tuned = plain(scaling={"tune": "validation", "grid": [0.5, 1.0]})
    found = published_columns(PUBLISHED, MEASURED, tuned, ["grid"])
    assert {column for column, values in found.items() if "mine" in values} == {
        f"tall-masks-leaked {encoder}" for encoder in ("ViT-B-32", "ViT-B-16", "ViT-L-14")
    }


def test_families_of_which_only_references_were_published_have_no_column() -> None:
    published = published_columns(PUBLISHED, MEASURED, {"pre": {"algorithm": "pretrained"}}, [])
    assert published["tall-masks ViT-B-32"] == {"pre": 48.32}
    table = leaderboard(scored(), METHODS, COSTS, published)
    assert not [column for column in table if " " in column]
