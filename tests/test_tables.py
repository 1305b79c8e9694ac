"""Tables show what the score files say, marked and footed as they should be."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from remerge.config.models import Pool
from remerge.figures.registry import FIGURES
from remerge.findings.tables import (
    Row,
    experts_table,
    experts_table_latex,
    experts_table_markdown,
    latex_table,
    main_table,
    main_table_latex,
    main_table_markdown,
    write_csv,
)
from remerge.methods.registry import ALGORITHMS
from remerge.scoring.held_out import looks_at

METHODS = {
    "pre": Row("Pretrained", "pretrained"),
    "ind": Row("Individual", "individual"),
    "ta": Row("Task_Arithmetic & co", "task_arithmetic"),
    "ada": Row("AdaMerging 100%", "adamerging", ["unlabeled test images"]),
    "ties": Row("TIES", "ties", ["validation labels"]),
}
CORRECT = {"pre": (50, 10), "ind": (100, 40), "ta": (80, 30), "ada": (90, 20), "ties": (80, 10)}
ORIGINS = {"digits": "real", "greek": "rendered"}


@pytest.fixture
def scores() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"method": name, "task": task, "split": "test", "correct": correct, "n": n}
            for name, counts in CORRECT.items()
            for task, correct, n in zip(ORIGINS, counts, (100, 50), strict=True)
        ]
    )


def cells(markdown: str, method: str) -> list[str]:
    line = next(line for line in markdown.splitlines() if method in line)
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_averages_are_those_computed_by_hand(scores: pd.DataFrame) -> None:
    row = main_table(scores, METHODS, list(ORIGINS)).set_index("method").loc["Task_Arithmetic & co"]
    assert (row["digits"], row["greek"]) == (80, 60)
    assert row["average"] == 70
    assert row["normalised"] == pytest.approx(100 * (80 / 100 + 60 / 80) / 2)
    assert (row["digits correct"], row["digits n"]) == (80, 100)
    assert row["digits low"] == pytest.approx(71.1, abs=0.05)
    assert row["digits high"] == pytest.approx(86.7, abs=0.05)


def test_only_merged_encoders_compete(scores: pd.DataFrame) -> None:
    markdown = main_table_markdown(main_table(scores, METHODS, list(ORIGINS)), METHODS, ORIGINS, {})
    assert cells(markdown, "Individual")[1:3] == ["100.0", "80.0"]
    assert cells(markdown, "AdaMerging")[1:4] == ["**90.0**", "<u>40.0</u>", "<u>65.0</u>"]
    # Equal numbers share a mark.
    assert cells(markdown, "TIES")[1] == cells(markdown, "Arithmetic")[1] == "<u>80.0</u>"
    assert cells(markdown, "Arithmetic")[2:4] == ["**60.0**", "**70.0**"]


def test_what_a_method_looked_at_and_what_is_real_is_said(scores: pd.DataFrame) -> None:
    markdown = main_table_markdown(main_table(scores, METHODS, list(ORIGINS)), METHODS, ORIGINS, {})
    assert cells(markdown, "AdaMerging")[-1] == "unlabeled test images"
    assert cells(markdown, "TIES")[-1] == "validation labels"
    assert "real: digits; rendered: greek" in markdown
    assert "digits 100, greek 50" in markdown


def test_validation_images_that_experts_may_have_been_trained_on_are_flagged(scores: pd.DataFrame) -> None:
    def rows(holds_out: bool) -> dict[str, Row]:
        return {
            "ada": Row("AdaMerging", "adamerging", looks_at(["unlabeled test images"], False, holds_out)),
            "ties": Row("TIES", "ties", looks_at([], True, holds_out)),
            "ta": Row("RegMean", "regmean", looks_at(ALGORITHMS["regmean"].needs, False, holds_out)),
        }

    methods = rows(holds_out=False)
    table = main_table(scores, methods, list(ORIGINS))
    markdown = main_table_markdown(table, methods, ORIGINS, {})
    assert cells(markdown, "TIES")[-1] == "validation labels (perhaps trained on)"
    assert cells(markdown, "RegMean")[-1] == "unlabeled validation images (perhaps trained on)"
    assert cells(markdown, "AdaMerging")[-1] == "unlabeled test images"
    for text in (markdown, main_table_latex(table, methods, ORIGINS, {})):
        assert "nothing shows that these experts, downloaded, were not trained on them" in text

    methods = rows(holds_out=True)
    markdown = main_table_markdown(main_table(scores, methods, list(ORIGINS)), methods, ORIGINS, {})
    assert cells(markdown, "TIES")[-1] == "validation labels"
    assert "erhaps trained on" not in markdown


@pytest.mark.parametrize(
    ("origin", "architecture", "holds_out"),
    [
        ("trained", "mini", True),
        ("finetuned", "ViT-B-32", True),
        ("random", "mini", True),
        ("task-vectors", "ViT-B-32", False),
        ("fusionbench", "ViT-B-32", False),
    ],
)
def test_downloaded_experts_alone_may_have_seen_validation_images(
    origin: str, architecture: str, holds_out: bool
) -> None:
    assert Pool.model_validate({"origin": origin, "architecture": architecture}).holds_out is holds_out


def test_a_missing_task_is_said_with_the_average(scores: pd.DataFrame) -> None:
    partial = scores[~((scores["method"] == "ta") & (scores["task"] == "greek"))]
    markdown = main_table_markdown(main_table(partial, METHODS, list(ORIGINS)), METHODS, ORIGINS, {})
    assert cells(markdown, "Arithmetic")[2] == "–"
    assert cells(markdown, "Arithmetic")[3].endswith("80.0** (1/2)")


def test_a_task_without_images_is_named_and_counted(scores: pd.DataFrame) -> None:
    table = main_table(scores[scores["task"] != "greek"], METHODS, list(ORIGINS))
    markdown = main_table_markdown(table, METHODS, ORIGINS, {})
    assert all(cells(markdown, row.label)[3].endswith("(1/2)") for row in METHODS.values())
    assert "No test images of greek: averages are over 1/2 tasks." in markdown
    assert "nan" not in markdown


def test_what_merges_fewer_tasks_says_so_and_does_not_compete(scores: pd.DataFrame) -> None:
    best = scores["method"] == "ada"
    flagged = scores.assign(merged=pd.Series("digits", index=scores.index).where(best))
    markdown = main_table_markdown(main_table(flagged, METHODS, list(ORIGINS)), METHODS, ORIGINS, {})
    assert cells(markdown, "AdaMerging 100%")[:2] == ["AdaMerging 100% (1/2 tasks)", "90.0"]
    assert cells(markdown, "TIES")[1] == "**80.0**"
    assert "compare them with each other only" in markdown
    # Where none merges more, all compete.
    merging = scores["method"].isin(["ta", "ada", "ties"])
    flagged = scores.assign(merged=pd.Series("digits", index=scores.index).where(merging))
    markdown = main_table_markdown(main_table(flagged, METHODS, list(ORIGINS)), METHODS, ORIGINS, {})
    assert cells(markdown, "AdaMerging 100%")[1] == "**90.0**"


def test_an_expert_that_is_never_right_is_no_divisor(scores: pd.DataFrame) -> None:
    wrong = scores.copy()
    wrong.loc[(wrong["method"] == "ind") & (wrong["task"] == "greek"), "correct"] = 0
    table = main_table(wrong, METHODS, list(ORIGINS)).set_index("method")
    assert table.loc["AdaMerging 100%", "normalised"] == pytest.approx(90)


def test_a_shorter_precision_is_said_with_what_it_changed(scores: pd.DataFrame) -> None:
    short = scores.assign(compared=20, agree=19)
    markdown = main_table_markdown(main_table(short, METHODS, list(ORIGINS)), METHODS, ORIGINS, {})
    assert "on 190 of the 200 images compared, float32 predicts the same" in markdown


def test_texts_have_a_column_of_valid_answers_and_are_no_images(scores: pd.DataFrame) -> None:
    valid = scores.assign(valid=scores["correct"] + 5)
    table = main_table(valid, METHODS, list(ORIGINS))
    # 85 of 100, and 35 of 50.
    assert table.set_index("method").loc["Task_Arithmetic & co", "valid"] == pytest.approx((85 + 70) / 2)
    markdown = main_table_markdown(table, METHODS, dict.fromkeys(ORIGINS, "generated"), {})
    assert cells(markdown, "Task_Arithmetic")[-2:] == ["77.5", "–"]
    assert cells(markdown, "Looks at")[-2:] == ["Valid", "Looks at"]
    assert "Valid: answers that have the form" in markdown
    assert "Texts generated: digits, greek." in markdown
    assert "images" not in markdown.replace("unlabeled test images", "")


def test_latex_is_escaped_and_balanced(scores: pd.DataFrame) -> None:
    latex = main_table_latex(main_table(scores, METHODS, list(ORIGINS)), METHODS, ORIGINS, {})
    assert r"Task\_Arithmetic \& co & " in latex
    assert r"AdaMerging 100\% & \textbf{90.0}" in latex
    rows = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert {line.replace(r"\&", "").count("&") for line in rows} == {5}
    assert latex.count("{") == latex.count("}")
    assert "±" not in latex


def test_latex_aligns_text_left_and_numbers_right(scores: pd.DataFrame) -> None:
    rows = {
        "": [["a", "clean", r"\textbf{9.5}", "--", "7/8", ""], ["b", "blurred", "-1.2", "+3", "71.5 (7/8)", "–"]],
        "others": [["c", "1 of 2", r"\underline{8.0}", "3", "–", "needed"]],
    }
    assert r"\begin{tabular}{llrrrl}" in latex_table(["Method", "Images", "A", "B", "C", "Task's name"], rows)
    assert r"\begin{tabular}{l}" in latex_table(["scored"], {"": []})
    main = main_table_latex(main_table(scores, METHODS, list(ORIGINS)), METHODS, ORIGINS, {})
    assert r"\begin{tabular}{lrrrrl}" in main


def test_the_experts_table_is_experts_by_tasks() -> None:
    scores = pd.DataFrame(
        [
            {"expert": expert, "task": task, "split": "test", "correct": correct, "n": 10}
            for expert, task, correct in [("a", "a", 9), ("a", "b", 2), ("b", "a", 3), ("b", "b", 8)]
        ]
    )
    table = experts_table(scores, ["b", "a"])
    assert table.values.tolist() == [["b", 80, 30], ["a", 20, 90]]
    assert experts_table_markdown(table, {"a": "1 of 10", "c": "2 of 9"}).endswith("Contaminated split: a, 1 of 10.\n")
    assert cells(experts_table_markdown(table, {}), "**80.0**") == ["b", "**80.0**", "30.0"]
    assert r"a & 20.0 & \textbf{90.0} \\" in experts_table_latex(
        table, {"a": "1 of 10 test images are also in train", "c": "x"}
    )


def test_the_experts_table_says_what_there_is_none_of() -> None:
    scores = pd.DataFrame([{"expert": "a", "task": task, "split": "test", "correct": 9, "n": 10} for task in "ab"])
    markdown = experts_table_markdown(experts_table(scores, ["a", "b", "c"]), {})
    assert "2/3 tasks have test images; without: c. 1/3 tasks have an expert; without: b, c." in markdown
    assert "**–**" not in markdown
    assert "nan" not in markdown


def test_equal_scores_give_equal_bytes(scores: pd.DataFrame, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_csv(tmp_path / name, main_table(scores, METHODS, list(ORIGINS)))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_tables_and_figures_do_not_import_torch() -> None:
    modules = [
        *(
            "findings.tables",
            "findings.claims",
            "findings.over_seeds",
            "findings.fidelity_tables",
            "findings.regime",
            "scoring.scores",
        ),
        *(f"figures.{name}" for name in FIGURES),
    ]
    code = "import sys, importlib\n" + "".join(f"importlib.import_module('remerge.{name}')\n" for name in modules)
    subprocess.run(
        [sys.executable, "-c", code + "assert 'torch' not in sys.modules"],
        check=True,
        cwd=Path(__file__).parent.parent,
    )


MANY = [f"t{index}" for index in range(20)]


@pytest.fixture
def of_many() -> pd.DataFrame:
    """Accuracies that rise by a point from task to task, but zero-shot, which is above the expert's on t3."""
    start = {"pre": 30, "ind": 75, "ta": 50, "ada": 60, "ties": 55}
    rows = [
        {"method": name, "task": task, "split": "test", "correct": first + index, "n": 100}
        for name, first in start.items()
        for index, task in enumerate(MANY)
    ]
    frame = pd.DataFrame(rows)
    frame.loc[(frame["method"] == "pre") & (frame["task"] == "t3"), "correct"] = 99
    return frame


def test_what_sums_up_many_tasks_comes_first(of_many: pd.DataFrame) -> None:
    table = main_table(of_many, METHODS, MANY)
    markdown = main_table_markdown(table, METHODS, dict.fromkeys(MANY, "real"), {}, {"t5": "odd"})
    header = [cell.strip() for cell in markdown.splitlines()[0].strip("|").split("|")]
    assert header == ["Method", "Average", "Worst task", "Spread", "Normalised", *MANY, "Looks at"]
    # The spread of 0, 1, ..., 19 is the square root of (20 ** 2 - 1) / 12.
    assert cells(markdown, "AdaMerging")[1:4] == ["**69.5**", "**60.0**", "5.8"]
    assert cells(markdown, "TIES")[1:4] == ["<u>64.5</u>", "<u>55.0</u>", "5.8"]
    assert cells(markdown, "AdaMerging")[5] == "**60.0**"
    assert "Zero-shot accuracy is above the expert's: t3." in markdown
    assert "t5: odd." in markdown


def test_missing_tasks_of_many_are_counted_beside_the_average(of_many: pd.DataFrame) -> None:
    part = of_many[~((of_many["method"] == "ta") & (of_many["task"] == "t0"))]
    markdown = main_table_markdown(main_table(part, METHODS, MANY), METHODS, dict.fromkeys(MANY, "real"), {})
    assert cells(markdown, "Arithmetic")[1:3] == ["60.0 (19/20)", "51.0"]


def test_latex_of_many_tasks_is_two_tables_no_wider_than_the_text(of_many: pd.DataFrame) -> None:
    latex = main_table_latex(main_table(of_many, METHODS, MANY), METHODS, dict.fromkeys(MANY, "real"), {})
    _, summary, by_task = latex.split(r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%")
    assert summary.count(r"\begin{tabular}") == by_task.count(r"\begin{tabular}") == 1
    assert r"Method & \rotatebox{90}{Average} & \rotatebox{90}{Worst task}" in summary
    assert r"{lrrrrl}" in summary
    assert "t19" not in summary.split(r"\par")[0]
    assert all(rf"\rotatebox{{90}}{{{task}}}" in by_task for task in MANY)
    assert by_task.rstrip().endswith("}")
    rows = [line for line in by_task.splitlines() if line.endswith(r"\\")]
    assert {line.count(" & ") for line in rows} == {20}
