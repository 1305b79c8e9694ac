"""Names that look like numbers, missing values or markup stay names; those that cannot be are refused."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from project import ROOT

from remerge.config import load_config
from remerge.config.names import RESERVED
from remerge.errors import ConfigError
from remerge.figures.accuracies import accuracies_figure
from remerge.figures.style import labels, looks, save_figure
from remerge.findings.tables import (
    Row,
    experts_table,
    experts_table_markdown,
    main_table,
    main_table_markdown,
    write_csv,
)
from remerge.images.audit import overlaps, read_audit, write_audit
from remerge.run.csvs import read_csv
from remerge.run.markup import LATEX, MARKDOWN
from remerge.run.settings import NAME
from remerge.scoring.scores import read_scores, write_scores
from remerge.studies.drawing import study_figure
from remerge.studies.kind import load
from remerge.studies.tables import rounded, study_table

LIKE_VALUES = ("101", "007", "1e3", "1.0", "NA", "nan", "NaN", "null", "None", "true", "False", "inf", "N", "a.b", "a_")
SECTIONS: dict[str, Any] = {
    "pools": {"seed": 1},
    "suites": ["digits", "latin"],
    "tasks": {"folder": "x"},
    "methods": {"label": "X", "algorithm": "weight_averaging"},
    "studies": {"kind": "pairs", "suite": "eight"},
}
names = st.sampled_from(LIKE_VALUES) | st.from_regex(NAME, fullmatch=True).filter(lambda name: len(name) <= 100)
texts = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=20).map(
    lambda text: " ".join(text.split()) or "x"
)


def faults(section: str, name: object) -> str:
    values = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    values[section][name] = SECTIONS[section]
    try:
        load_config(values)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("name", LIKE_VALUES)
def test_a_name_may_look_like_a_value(section: str, name: str) -> None:
    assert faults(section, name) == ""


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize(
    ("name", "told"),
    [
        (101, "a name must be text, got 101; put it in quotes"),
        (None, "a name must be text, got nothing; put it in quotes"),
        (True, "a name must be text, got True; put it in quotes"),
        (1000.0, "a name must be text, got 1000.0; put it in quotes"),
        ("x" * 200, "has 200 characters; at most 100 are allowed"),
        ("results", "the name 'results' is taken; choose another"),
        ("Results", "the name 'results' is taken; choose another"),
        ("con", "Windows cannot have files of the name 'con'; choose another"),
        ("NUL.x", "Windows cannot have files of the name 'nul'; choose another"),
        ("x.csv", "ends like a file's name, with '.csv'; choose another"),
        ("x.", "ends like a file's name, with '.'; choose another"),
        *[
            (name, "names may have letters, digits")
            for name in (".x", "-x", "x ", "a+b", "a,b", "a/b", "x\n", "", "🙂")
        ],
    ],
)
def test_a_name_that_cannot_be_is_refused_by_key_with_a_remedy(section: str, name: object, told: str) -> None:
    assert f"{section}.{name}: {told}" in faults(section, name)


@pytest.mark.parametrize("name", ["images", "downloads", "provenance", "check-clip", "Provenance"])
def test_a_pool_has_no_name_of_a_folder_beside_it(name: str) -> None:
    assert "is taken; choose another" in faults("pools", name)


def test_a_study_has_no_name_of_another_table_or_figure() -> None:
    rules = (ROOT / "workflow/rules").glob("*.smk")
    pattern = r"/(?:tables|figures)/{suite}/(\w+)({over})?\."
    found = {match for rule in rules for match in re.findall(pattern, rule.read_text())}
    made = {name + over for name, often in found for over in ("", "_over_seeds" * bool(often))}
    assert {"main", "cosine", "claims_over_seeds", "fidelity_over_seeds"} <= made
    for name in made:
        assert "is taken; choose another" in faults("studies", name)


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("two\nlines", "has line breaks"),
        (" TIES", "blanks at an end"),
        ("_TIES", "begins with '_'"),
        ("TIES 🙂", "cannot draw '🙂'"),
        ("x" * 61, "has 61 characters; at most 60 are allowed"),
    ],
)
def test_a_label_that_cannot_be_shown_is_refused(label: str, told: str) -> None:
    values = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    values["methods"]["ties"]["label"] = label
    with pytest.raises(ConfigError) as caught:
        load_config(values)
    assert "methods.ties.label: " in str(caught.value)
    assert told in str(caught.value)


@given(pool=names, method=names, tasks=st.lists(names, min_size=2, max_size=4, unique=True))
def test_names_come_back_from_score_files(
    pool: str, method: str, tasks: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("scores") / "s.csv"
    columns = {"pool": pool, "study": pool, "part": pool, "method": method, "variant": method, "split": "test"}
    frame = pd.DataFrame({"task": tasks, "correct": 1, "n": 2}).assign(**columns)
    write_scores(path, frame.assign(merged=tasks, expert=tasks, keep=None))
    read = read_scores(path)
    assert read[["task", "merged", "expert"]].to_numpy().tolist() == [[task] * 3 for task in tasks]
    assert {column: set(read[column]) for column in columns} == {key: {value} for key, value in columns.items()}
    assert read["keep"].isna().all()


@given(tasks=st.lists(names, min_size=2, max_size=4, unique=True))
def test_names_come_back_from_audits(tasks: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("audit") / "a.csv"
    write_audit(path, overlaps({task: {"train": ["a"], "test": ["a"]} for task in tasks}))
    assert set(read_audit(path)["task"]) == set(tasks)


free = names.filter(lambda name: name.lower() not in {taken.lower() for taken in RESERVED["tasks"]})


def robustness(tasks: list[str]) -> Any:
    settings = {"kind": "robustness", "suite": "s", "tasks": tasks, "methods": ["m"]}
    return load("robustness").Settings.model_validate(settings)


def scores_of(methods: list[str], tasks: list[str]) -> pd.DataFrame:
    rows = [(m, t, 10 + 7 * i + j) for i, m in enumerate(methods) for j, t in enumerate(tasks)]
    return pd.DataFrame(rows, columns=["method", "task", "correct"]).assign(split="test", n=200)


def read_markdown(text: str) -> list[list[str]]:
    """The cells of a Markdown file's first table, as a reader sees them."""
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    rows = re.findall(r"<tr>(.*?)</tr>", html.split("</table>")[0], re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    entities = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&amp;": "&"}
    return [[re.sub("&[a-z]+;", lambda found: entities[found[0]], cell) for cell in row] for row in cells]


@settings(max_examples=30)
@given(
    methods=st.lists(st.tuples(names, texts), min_size=2, max_size=3, unique_by=(lambda m: m[0], lambda m: m[1])),
    tasks=st.lists(free, min_size=2, max_size=3, unique_by=str.lower),
)
def test_tables_show_names_and_labels_as_they_are(
    methods: list[tuple[str, str]], tasks: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    shown = dict(methods)
    rows = {name: Row(label, "ties") for name, label in shown.items()}
    scores = scores_of(list(rows), tasks)
    main = main_table(scores, rows, tasks)
    cells = read_markdown(main_table_markdown(main, rows, dict.fromkeys(tasks, "real"), {}))
    assert cells[0][1 : 1 + len(tasks)] == tasks
    assert [row[0] for row in cells[1:]] == list(shown.values())
    own = scores_of(tasks, tasks).rename(columns={"method": "expert"})
    assert [row[0] for row in read_markdown(experts_table_markdown(experts_table(own, tasks), {}))[1:]] == tasks
    study = study_table(robustness(tasks), scores.assign(part="NA"), scores.assign(n=1), tasks)
    path = tmp_path_factory.mktemp("tables") / "t.csv"
    write_csv(path, study)
    read = read_csv(path)
    assert read["method"].tolist() == list(shown)
    assert list(read) == ["images", "method", *tasks, "average"]
    head, body = rounded(study, shown, MARKDOWN)
    line = "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), body[0]))
    assert read_markdown(line)[1][1] == next(iter(shown.values()))


@given(texts)
def test_text_stays_text_in_latex(text: str) -> None:
    latex = LATEX.plain(text)
    assert not re.search(r"(?<!\\)[&%_#$]", latex)
    assert latex.count(r"\&") == text.count("&")
    bare = latex.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    assert not latex.startswith(("[", "*"))


def test_plain_words_are_left_as_they_are_in_markdown() -> None:
    for text in ("TIES (mean, tuned)", "gaussian_noise", "AdaMerging++", "Tom & co", "50 %", "a.b-c"):
        assert MARKDOWN.plain(text) == text
    assert MARKDOWN.plain("a|b *c* _d_ <e> [f] &lt; $g$") == r"a\|b \*c\* \_d\_ \<e\> \[f\] \&lt; \$g\$"


LABELS = ["a $x_ b", "$x$ and $y$", r"\frac{", r"a\$b", "100 % & <more> #1", "é λ ±"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("draw", [0, 1], ids=["accuracies", "study"])
def test_figures_draw_names_and_labels_as_they_are(draw: int, tmp_path: Path) -> None:
    methods = {name: {"label": label, "looks": "own"} for name, label in zip(LIKE_VALUES, LABELS, strict=False)}
    tasks = ["101", "NA", "a_b_c"]
    scores = scores_of(list(methods), tasks)
    study = study_table(robustness(tasks), scores.assign(part="clean"), scores, tasks)
    write_csv(tmp_path / "t.csv", study)
    figures: list[Callable[[], Any]] = [
        lambda: accuracies_figure(scores, labels(methods), looks(methods), tasks),
        lambda: study_figure("robustness", read_csv(tmp_path / "t.csv"), labels(methods), looks(methods)),
    ]
    save_figure(figures[draw](), tmp_path / "f.svg", tmp_path / "f.png")
    svg = (tmp_path / "f.svg").read_text(encoding="utf-8")
    for label in LABELS:
        assert label.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in svg
