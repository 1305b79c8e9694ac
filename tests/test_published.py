"""Published numbers are whole and say where they come from; comparison and gate judge by them."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remerge.errors import RemergeError
from remerge.findings.claims import read_claims
from remerge.findings.comparison import compare, comparison_markdown
from remerge.findings.gate import explanation, judge
from remerge.findings.published import of_pool, read_published, zero_shot_references
from remerge.tasks.clip import CLIP_TASKS, clip_task
from remerge.tasks.glue import GLUE_TASKS

FOLDER = Path(__file__).parent.parent / "published"
# Averages as printed that are not the means of their rows; published/README.md lists them.
EIGHT = {"SUN397", "Cars", "RESISC45", "EuroSAT", "SVHN", "GTSRB", "MNIST", "DTD"}
MISPRINTED = {("task-vectors", "ViT-B-32", "traditional-mtl"), ("task-vectors", "ViT-L-14", "traditional-mtl")}


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    return read_published(FOLDER / "main.csv")


def values(published: pd.DataFrame, origin: str, architecture: str, method: str) -> dict[str, float]:
    own = published[
        (published[["origin", "architecture", "method"]] == [origin, architecture, method]).all(axis="columns")
    ]
    return dict(zip(own["task"], own["accuracy"], strict=True))


def test_known_numbers_are_there(published: pd.DataFrame) -> None:
    assert values(published, "task-vectors", "ViT-B-32", "task-arithmetic")["average"] == 69.1
    assert values(published, "task-vectors", "ViT-B-32", "adamerging-layer-pp")["average"] == 81.1
    assert values(published, "task-vectors", "ViT-L-14", "individual")["average"] == 94.2
    assert values(published, "fusionbench", "ViT-B-32", "pretrained")["SUN397"] == 63.2


def test_every_row_is_whole_and_has_a_source(published: pd.DataFrame) -> None:
    sources = pd.read_csv(FOLDER / "sources.csv").set_index("key")
    claims = read_claims(FOLDER / "claims.yaml").values()
    claimed = {key for claim in claims if claim.published for key in claim.published.sources}
    points = set(pd.read_csv(FOLDER / "curves.csv")["source"])
    assert set(published["source"]) | claimed | points | {"adamerging-logs"} == set(sources.index)
    assert set(sources["read"]) == {"original", "reprint"}
    for (origin, _, method), own in published.groupby(["origin", "architecture", "method"]):
        experts = {task for task in CLIP_TASKS if origin in clip_task(task).experts}
        # Some papers print the average alone; single encoders have been scored on every task that has an expert.
        every = experts if method in ("pretrained", "individual") else set()
        assert set(own["task"]) - {"average"} in (EIGHT, every, set(), set(GLUE_TASKS))


def test_printed_averages_are_the_means_of_their_rows(published: pd.DataFrame) -> None:
    wrong = set()
    for key, own in published.groupby(["origin", "architecture", "method"]):
        mean = own.loc[own["task"].isin(EIGHT), "accuracy"].mean()
        if (abs(mean - own.loc[own["task"] == "average", "accuracy"]) > 0.1).any():
            wrong.add(key)
    assert wrong == MISPRINTED


def test_truncated_values_are_what_the_logs_say_cut_off(published: pd.DataFrame) -> None:
    others = ["average", *GLUE_TASKS]
    logged = published[published["exact"].notna() & ~published["task"].isin(others)]
    assert len(logged) == 32
    assert (logged["decimals"] == "truncated").all()
    below = logged["exact"] - logged["accuracy"]
    assert below.between(-1e-9, 0.1).mean() > 0.9


def test_faults_are_named_with_their_line(published: pd.DataFrame, tmp_path: Path) -> None:
    lines = (FOLDER / "main.csv").read_text().splitlines()
    for broken, told in (
        ([*lines[:3], lines[2]], "line 4: stands twice"),
        ([lines[0], lines[1].replace("62.3", "162.3")], "line 2: no percentage"),
        ([lines[0].replace("exact,", "")], "columns must be"),
    ):
        (tmp_path / "main.csv").write_text("\n".join(broken) + "\n")
        with pytest.raises(RemergeError, match=told):
            read_published(tmp_path / "main.csv")


def scores(rows: dict[str, tuple[int, int]], method: str = "ties") -> pd.DataFrame:
    return pd.DataFrame([{"method": method, "task": task, "correct": c, "n": n} for task, (c, n) in rows.items()])


def one_published(accuracy: float, decimals: str, exact: float = float("nan"), task: str = "MNIST") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "method": "ties",
                "task": task,
                "accuracy": accuracy,
                "exact": exact,
                "decimals": decimals,
                "source": "x",
                "note": "",
            }
        ]
    )


def test_a_comparison_has_interval_difference_and_flags() -> None:
    table = compare(
        scores({"MNIST": (9_770, 10_000), "DTD": (900, 1880)}),
        pd.concat([one_published(97.3, "truncated"), one_published(47.0, "rounded", task="DTD")]),
        ["ties"],
        ["MNIST", "DTD"],
        {"MNIST": "3 of 10000 test images are also in train"},
        {"MNIST": "fusionbench"},
        {"ties": "ties"},
        {"ties": "published otherwise"},
        {"MNIST": "odd"},
    )
    row, average = table.iloc[0], table.iloc[2]
    assert row["difference"] == pytest.approx(0.4)
    assert (row["low"], row["high"]) == (pytest.approx(97.39, abs=0.01), pytest.approx(97.98, abs=0.01))
    # 97.3 as printed may be 97.39.
    assert row["agrees"]
    assert (
        row["flags"]
        == "contaminated split; other images (agrees with fusionbench); truncated decimals; odd; published otherwise"
    )
    assert average["task"] == "average (2/2)"
    markdown = comparison_markdown(table, {"ties": "TIES"})
    assert "97.4 to 98.0" in markdown
    assert "+0.4" in markdown


def test_a_merge_is_compared_with_merges_of_the_same_tasks_only() -> None:
    ours = pd.concat([scores(dict.fromkeys(("MNIST", "DTD"), (90, 100)), name) for name in ("individual", "ties")])
    theirs = pd.concat(
        one_published(91.0, "rounded", task=task).assign(method=name)
        for task in ("MNIST", "DTD", "SVHN")
        for name in ("individual", "ties")
    )
    names = {"individual": "individual", "ties": "ties"}
    table = compare(ours, theirs, list(names), ["MNIST", "DTD"], {}, {}, names, {}, {}).set_index(["method", "task"])
    assert table.loc[("individual", "MNIST"), "published"] == 91
    assert list(table.loc["ties"].index) == ["average (2/2)"]
    assert table.loc[("ties", "average (2/2)"), "flags"] == "published for other tasks"


@given(correct=st.integers(0, 500), printed=st.integers(0, 1000), decimals=st.sampled_from(["truncated", "rounded"]))
def test_a_printed_value_agrees_exactly_when_some_value_printed_so_is_in_the_interval(
    correct: int, printed: int, decimals: str
) -> None:
    row = compare(
        *(scores({"MNIST": (correct, 500)}), one_published(printed / 10, decimals), ["ties"], ["MNIST"]),
        *({}, {}, {"ties": "ties"}, {}, {}),
    ).iloc[0]
    low, high = row["low"], row["high"]
    begin, end = (
        (printed / 10, printed / 10 + 0.1)
        if decimals == "truncated"
        else (printed / 10 - 0.05,) * 1 + (printed / 10 + 0.05,)
    )
    assert row["agrees"] == (low <= end and begin <= high)


def test_only_the_pools_own_checkpoints_are_compared(published: pd.DataFrame) -> None:
    own = of_pool(published, "fusionbench", "ViT-L-14")
    assert set(own["source"]) == {"fusionbench-vit-l-14", "fusionbench-opcm"}
    assert of_pool(published, "finetuned", "ViT-L-14").empty


def zero_shot(published: pd.DataFrame, **changed: float) -> pd.DataFrame:
    """Scores as published for ViT-B/32, some of them changed by points."""
    own = zero_shot_references(published, "task-vectors", "ViT-B-32")["task-vectors"]
    rows = {}
    for task, accuracy in own.items():
        n = clip_task(task).test
        rows[task] = (round((accuracy + changed.get(task, changed.get("every", 0))) * n / 100), n)
    return scores(rows, "pretrained")


def test_the_gate_lets_the_published_through(published: pd.DataFrame) -> None:
    references = zero_shot_references(published, "task-vectors", "ViT-B-32")
    assert list(references) == ["task-vectors", "fusionbench", "tall-masks"]
    verdicts = judge(zero_shot(published), references, 1.0)
    assert verdicts["passes"].all()
    assert explanation(verdicts, 1.0) == ""
    # The same weights on the other copy of the images.
    verdicts = judge(zero_shot(published, SUN397=1.6), references, 1.0)
    assert verdicts.set_index("task").loc["SUN397", "origin"] == "fusionbench"
    assert zero_shot_references(published, "finetuned", "ViT-B-32") == references


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"every": -4.0}, "Likely cause: activation"),
        ({"MNIST": -45.0}, "MNIST: 3.5 % of 10000, published 48.5 (task-vectors). Likely cause: class order"),
        ({"DTD": -3.0}, "Likely cause: templates or split"),
        ({"DTD": 5.0}, "DTD: 48.8 % of 1880, published 43.8"),
    ],
)
def test_the_gate_stops_and_tells_the_likely_cause(
    published: pd.DataFrame, changed: dict[str, float], told: str
) -> None:
    references = zero_shot_references(published, "task-vectors", "ViT-B-32")
    assert told in explanation(judge(zero_shot(published, **changed), references, 1.0), 1.0)


def test_the_gate_allows_for_the_draw_of_test_images(published: pd.DataFrame) -> None:
    references = zero_shot_references(published, "task-vectors", "ViT-B-32")
    share = references["task-vectors"]["SVHN"] / 100
    off = scores({"SVHN": (round((share + 0.025) * 1_000), 1_000)}, "pretrained")
    (verdict,) = judge(off, references, 1.0, {"SVHN": 1_000}).itertuples()
    assert verdict.passes
    expected = 1 + 196 * (share * (1 - share) / 1_000 * (1 - 1_000 / 26_032)) ** 0.5
    assert verdict.allowed == pytest.approx(expected)
    # The same accuracy of a split of another size than was drawn, or of all images, is a fault.
    for drawn in ({}, {"SVHN": 2_000}, {"MNIST": 1_000}):
        assert "Likely cause: split: 1000 test images" in explanation(judge(off, references, 1.0, drawn), 1.0)
    assert "the official test set has 26032, of which 2000 are drawn" in explanation(
        judge(off, references, 1.0, {"SVHN": 2_000}), 1.0
    )
    far = scores({"SVHN": (round((share + 0.1) * 1_000), 1_000)}, "pretrained")
    told = explanation(judge(far, references, 1.0, {"SVHN": 1_000}), 1.0)
    assert f"{expected:.1f} points allowed for a draw" in told
    assert "Likely cause: templates" in told
    # A draw larger than the test set is the test set.
    assert judge(zero_shot(published), references, 1.0, {"DTD": 5_000})["passes"].all()


def test_a_comparison_of_a_part_says_so(published: pd.DataFrame) -> None:
    found = scores({"SVHN": (300, 1_000), "MNIST": (4_800, 10_000)}, "pretrained")
    own = of_pool(published, "task-vectors", "ViT-B-32")
    table = compare(found, own, ["pretrained"], ["SVHN", "MNIST"], {}, {}, {"pretrained": "pretrained"}, {}, {})
    table = table.set_index("task")
    assert "1000 of 26032 test images" in table.loc["SVHN", "flags"]
    assert "test images" not in table.loc["MNIST", "flags"]


def test_a_wrong_number_of_images_is_told_as_a_wrong_split(published: pd.DataFrame) -> None:
    references = zero_shot_references(published, "task-vectors", "ViT-B-32")
    told = explanation(judge(scores({"EuroSAT": (6_000, 10_000)}, "pretrained"), references, 1.0), 1.0)
    assert "split: 10000 test images were scored, the official test set has 2700" in told
