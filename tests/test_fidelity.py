"""A small benchmark's averages stand beside ViT-B/32's, joined by algorithm and the parameters that define a method."""

import json
import runpy
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.backends.backend_agg import FigureCanvasAgg
from project import ROOT
from scipy import stats
from test_measured import MEASURED, methods_of

from remerge.errors import RemergeError
from remerge.figures.evidence import Evidence
from remerge.figures.fidelity import draw
from remerge.figures.naming import name_points
from remerge.figures.style import new_figure, save_figure
from remerge.findings import resampling
from remerge.findings.claimed_scores import Scores
from remerge.findings.claims import AUTHORS
from remerge.findings.fidelity import fidelity, rank_correlation
from remerge.findings.fidelity_tables import fidelity_latex, fidelity_markdown, sentence
from remerge.findings.published import averages, curves, read_published
from remerge.findings.regime import ARCHITECTURE, of_run, read_standard, regime_markdown, regime_table
from remerge.methods.measured import Measured, paired, read_measured
from remerge.run.archive import Job
from remerge.scoring.answers import pack_right
from remerge.scoring.scores import write_scores

STANDARD = read_standard(ROOT / "published/fidelity.yaml")
PUBLISHED = averages(read_published(ROOT / "published/main.csv"), AUTHORS, ARCHITECTURE)

# Four methods, distinguished by their scaling alone, and a reference.
METHODS: dict[str, dict[str, Any]] = {
    "zero": {"label": "Zero", "algorithm": "pretrained"},
    **{name: {"label": name.upper(), "algorithm": "ties", "scaling": at} for at, name in enumerate("abcd")},
}
KNOWN = {
    "zero": Measured({"algorithm": "pretrained"}, {}, ""),
    **{f"p-{name}": Measured({"algorithm": "ties", "scaling": at}, {}, "") for at, name in enumerate("abcd")},
}
AVERAGES = {"zero": 48.0, "p-a": 65.0, "p-b": 70.0, "p-c": 75.0, "p-d": 80.0}


def scores(counts: Mapping[str, Mapping[str, int]], n: int = 100, **columns: Mapping[str, str]) -> pd.DataFrame:
    """Scores of methods by task: so many of n images right, the first ones."""
    rows = [
        {"method": method, "task": task, "split": "test", "correct": correct, "n": n}
        | {"right": pack_right(np.arange(n) < correct)}
        | {name: values.get(method) for name, values in columns.items()}
        for method, own in counts.items()
        for task, correct in own.items()
    ]
    return pd.DataFrame(rows)


def compared(of: Mapping[int, pd.DataFrame], methods: Mapping[str, Any] = METHODS, **more: Any) -> tuple[Any, Any]:
    tasks = more.pop("tasks", ["x", "y"])
    table, correlation = fidelity(of, methods, tasks, KNOWN, (), AVERAGES | more.pop("published", {}), **more)
    return table.set_index("method"), correlation


def in_order(*averages: int) -> dict[str, dict[str, int]]:
    """Methods a, b, ... with these averages, and a reference that is better than all."""
    return {"zero": {"x": 99, "y": 99}} | {
        name: {"x": average + 5, "y": average - 5} for name, average in zip("abcd", averages, strict=True)
    }


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "RESAMPLES", 1000)


def test_averages_ranks_and_correlation_are_those_computed_by_hand() -> None:
    table, correlation = compared({0: scores(in_order(50, 70, 60, 80))})
    assert table.loc[list("abcd"), "average"].tolist() == pytest.approx([50, 70, 60, 80])
    assert table.loc[list("abcd"), "rank"].tolist() == [4, 2, 3, 1]
    assert table.loc[list("abcd"), "published rank"].tolist() == [4, 3, 2, 1]
    assert table.loc["zero", ["role", "published", "average"]].tolist() == ["reference", 48.0, 99.0]
    assert pd.isna(table.loc["zero", "rank"])
    assert correlation["seeds"].tolist() == ["all"]
    # Of ranks 4 2 3 1 and 4 3 2 1: 1 - 6 * 2 / (4 * 15).
    assert correlation.loc[0, ["methods", "spearman"]].tolist() == pytest.approx([4, 0.8])
    assert ((table["low"] < table["average"]) & (table["average"] < table["high"])).all()


def test_equal_averages_share_a_rank_however_they_are_summed() -> None:
    # 0.1 + 0.7 and 0.4 + 0.4 are different floats.
    counts = {"zero": {"x": 9, "y": 9}, "a": {"x": 1, "y": 7}, "b": {"x": 4, "y": 4}, "c": {"x": 7, "y": 1}}
    table, correlation = compared({0: scores(counts | {"d": {"x": 9, "y": 8}}, 10)})
    assert table.loc[list("abcd"), "rank"].tolist() == [3, 3, 3, 1]
    expected = stats.spearmanr([65, 70, 75, 80], [40, 40, 40, 85]).statistic
    assert correlation.loc[0, "spearman"] == pytest.approx(expected)


def test_rank_correlations_are_scipys_for_every_resample() -> None:
    generator = np.random.default_rng(2)
    # Coarse values, so that many tie.
    ours, theirs = generator.integers(5, size=(50, 7)).astype(float), generator.integers(5, size=7).astype(float)
    expected = [stats.spearmanr(own, theirs).statistic for own in ours]
    assert rank_correlation(theirs, ours) == pytest.approx(expected)
    assert np.isnan(rank_correlation(theirs, np.ones(7)))


def drawn_one_by_one(answers: Sequence[Any], published: Sequence[float], resamples: int) -> list[float]:
    """Correlations by drawing image by image and seed by seed, of answers ``[seeds, methods, images]`` by task."""
    generator = np.random.default_rng(4)
    seeds = len(answers[0])
    found = []
    for _ in range(resamples):
        chosen = generator.integers(seeds, size=max(1, seeds - 1))
        own = [task[:, :, generator.integers(task.shape[2], size=task.shape[2])].mean(axis=2) for task in answers]
        found.append(stats.spearmanr(published, np.mean(own, axis=0)[chosen].mean(axis=0)).statistic)
    return found


def random_scores(seeds: int, n: int = 60) -> tuple[dict[int, pd.DataFrame], list[Any]]:
    generator = np.random.default_rng(6)
    shares = 0.5 + np.arange(5)[:, None] * 0.05 + generator.normal(0, 0.04, (seeds, 5, 1))
    answers = [generator.random((seeds, 5, n)) < shares for _ in "xy"]
    names = ["zero", *"abcd"]
    frames = {
        seed: pd.DataFrame(
            {"method": method, "task": task, "split": "test", "correct": own.sum(), "n": n, "right": pack_right(own)}
            for task, of_task in zip("xy", answers, strict=True)
            for method, own in zip(names, of_task[seed], strict=True)
        )
        for seed in range(seeds)
    }
    return frames, [task[:, 1:] for task in answers]


@pytest.mark.parametrize("seeds", [1, 4])
def test_the_correlations_interval_is_that_of_drawing_images_and_seeds(seeds: int) -> None:
    frames, answers = random_scores(seeds)
    _, correlation = compared(frames)
    # The level at which the normal distribution reaches as far as Student's t does at 95 %.
    tail = 0.025 if seeds == 1 else stats.norm.cdf(stats.t(seeds - 1).ppf(0.025))
    drawn = drawn_one_by_one(answers, [65, 70, 75, 80], 1000)
    low, high = np.quantile(drawn, [tail, 1 - tail])
    measured = correlation.loc[0, "spearman"]
    # Of four methods there are few correlations, and neighbours are 0.2 apart.
    assert correlation.loc[0, ["low", "high"]].tolist() == pytest.approx(
        [min(low, measured), max(high, measured)], abs=0.21
    )
    alone = [stats.spearmanr([65, 70, 75, 80], np.mean(answers, axis=(0, 3))[seed]).statistic for seed in range(seeds)]
    assert correlation["spearman"].tolist()[1:] == pytest.approx(alone if seeds > 1 else [])


@pytest.mark.parametrize("order", [(50, 51, 52, 53), (53, 52, 51, 50), (50, 50, 50, 51)])
def test_an_interval_contains_what_was_measured(order: tuple[int, ...]) -> None:
    for seeds in (1, 3):
        table, correlation = compared({seed: scores(in_order(*order)) for seed in range(seeds)})
        row = correlation.iloc[0]
        assert -1 <= row["low"] <= row["spearman"] <= row["high"] <= 1
        assert ((table["low"] <= table["average"]) & (table["average"] <= table["high"])).all()


def test_the_same_scores_give_the_same_tables() -> None:
    frames, _ = random_scores(2)
    for one, other in zip(compared(frames), compared(frames), strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_seeds_are_averaged_and_told_one_by_one() -> None:
    frames = {0: scores(in_order(50, 60, 70, 80)), 7: scores(in_order(60, 50, 40, 30))}
    table, correlation = compared(frames)
    assert table.loc["a", ["seed 0", "seed 7", "average"]].tolist() == pytest.approx([50, 60, 55])
    assert correlation["seeds"].tolist() == ["all", "0", "7"]
    assert correlation["spearman"].tolist()[1:] == pytest.approx([1, -1])
    assert np.isnan(correlation.loc[0, "spearman"])
    told = compared(frames | {8: scores(in_order(50, 60, 70, 80))})[1]
    text = "averages over 3 training seeds. With one seed alone: 0.33 on average, -1.00 at least (seed 7)."
    assert sentence(told).startswith("Spearman's rank correlation with the averages published for ViT-B/32: 1.00 [")
    assert sentence(told).endswith(text)


@pytest.mark.parametrize("methods", [["zero", "a"], ["zero"], ["a", "b"]])
def test_too_few_methods_have_a_table_but_no_correlation(methods: list[str], tmp_path: Path) -> None:
    chosen = {name: METHODS[name] for name in methods}
    table, correlation = fidelity({0: scores(in_order(50, 60, 70, 80))}, chosen, ["x", "y"], KNOWN, (), AVERAGES)
    merged = len(set(methods) - {"zero"})
    assert sentence(correlation).startswith(f"No rank correlation with ViT-B/32: too few merged methods ({merged})")
    labels = {name: method["label"] for name, method in chosen.items()}
    text = fidelity_markdown(table, correlation, labels, ["x", "y"])
    assert all(f"| {label} " in text for label in labels.values())
    for name, frame in (("table", table), ("correlation", correlation)):
        frame.to_csv(tmp_path / name, index=False)
    files = {"fidelity": [str(tmp_path / "table"), str(tmp_path / "correlation")]}
    looks = {name: method | {"looks": method["algorithm"]} for name, method in chosen.items()}
    save_figure(draw(Evidence(files, ["x", "y"], looks, "trained", "mini")), tmp_path / "f.svg", tmp_path / "f.png")
    assert "merged encoders" in (tmp_path / "f.svg").read_text()


def test_methods_without_a_published_average_are_named_with_the_reason() -> None:
    methods = METHODS | {
        "again": METHODS["a"] | {"label": "Again"},
        "other": METHODS["a"] | {"label": "Other", "scaling": 9},
        "mine": {"label": "Mine", "algorithm": "own"},
        "lost": {"label": "Lost", "algorithm": "fisher"},
    }
    counts = in_order(50, 60, 70, 80) | {name: {"x": 1, "y": 1} for name in ("again", "other", "mine", "lost")}
    known = KNOWN | {"lost": Measured({"algorithm": "fisher"}, {}, "")}
    table, correlation = fidelity({0: scores(counts)}, methods, ["x", "y"], known, (), AVERAGES)
    reasons = {row["method"]: row["note"] for row in table.to_dict("records") if row["role"] == "left out"}
    assert reasons == {
        "again": "another row is compared with its published average",
        "other": "published with other parameters",
        "mine": "not published",
        "lost": "no published average",
    }
    assert correlation.loc[0, ["methods", "spearman"]].tolist() == pytest.approx([4, 1])
    for text in (
        fidelity_markdown(table, correlation, {name: own["label"] for name, own in methods.items()}, ["x", "y"]),
        fidelity_latex(table, correlation, {name: own["label"] for name, own in methods.items()}, ["x", "y"]),
    ):
        assert "Other (published with other parameters); Mine (not published); Lost (no published average)" in text
        assert "Other |" not in text


def test_methods_with_parts_per_task_are_shown_and_never_ranked(tmp_path: Path) -> None:
    methods = METHODS | {"masks": {"label": "Masks", "algorithm": "emr"}}
    # Published as the worst of all, and the best here.
    known, published = KNOWN | {"masks": Measured({"algorithm": "emr"}, {}, "")}, AVERAGES | {"masks": 1.0}
    counts = in_order(50, 70, 60, 80)
    table, correlation = fidelity(
        {0: scores(counts | {"masks": {"x": 99, "y": 99}})}, methods, ["x", "y"], known, (), published
    )
    _, alone = compared({0: scores(counts)})
    pd.testing.assert_frame_equal(correlation, alone)
    masks = table.set_index("method").loc["masks"]
    assert masks[["role", "published", "average"]].tolist() == ["parts", 1.0, 99.0]
    assert masks[["published rank", "rank"]].isna().all()
    assert table["rank"].max() == 4
    text = fidelity_markdown(table, correlation, {name: own["label"] for name, own in methods.items()}, ["x", "y"])
    assert [cell.strip() for cell in next(row for row in text.splitlines() if "Masks" in row).split("|")[-3:]] == [
        "–",
        "–",
        "",
    ]
    for name, frame in (("table", table), ("correlation", correlation)):
        frame.to_csv(tmp_path / name, index=False)
    looks = {name: method | {"looks": method["algorithm"]} for name, method in methods.items()}
    files = {"fidelity": [str(tmp_path / "table"), str(tmp_path / "correlation")]}
    figure = draw(Evidence(files, ["x", "y"], looks, "trained", "mini"))
    every, ranked = figure.axes
    assert [len(axes.containers) for axes in (every, ranked)] == [6, 4]


def test_averages_of_different_tasks_are_not_compared() -> None:
    # Nothing of y was scored with one seed, so that x alone counts; d merges one task fewer than the others.
    first = scores(in_order(50, 60, 70, 80), merged={"d": "x"})
    second = first[first["task"] == "x"]
    table, correlation = compared({0: first, 1: second})
    assert table.loc["a", ["seed 0", "seed 1"]].tolist() == pytest.approx([55, 55])
    assert set(table["tasks"]) == {"x"}
    assert table.loc["d", ["role", "note"]].tolist() == ["left out", "merges only x"]
    assert correlation.loc[0, "methods"] == 3
    labels = {name: method["label"] for name, method in METHODS.items()}
    text = fidelity_markdown(table.reset_index(), correlation, labels, ["x", "y"])
    assert "No test images of y: averages are over 1/2 tasks." in text
    assert "D (merges only x)" in text


def test_scores_that_cannot_be_resampled_are_refused() -> None:
    frame = scores(in_order(50, 60, 70, 80))
    with pytest.raises(RemergeError, match="method zero: its scores lack the answers; run snakemake"):
        compared({0: frame.drop(columns="right")})
    with pytest.raises(RemergeError, match="x has 100 test images in one row and 50 in another"):
        compared({0: frame, 1: scores({name: {"x": 1, "y": 1} for name in METHODS}, 50)})


def test_the_default_methods_are_compared_though_they_learn_in_fewer_steps_and_are_tuned_over_other_grids() -> None:
    methods = methods_of()
    compared = methods.keys() - {"breadcrumbs", "magmax", "lines", "tall-masks"}  # not published for these checkpoints
    assert paired(methods, MEASURED[AUTHORS], STANDARD.may_differ) == {name: name for name in compared}
    assert compared <= set(PUBLISHED)
    strict = paired(methods, MEASURED[AUTHORS], ())
    assert {"ties-mean", "adamerging-layer"}.isdisjoint(strict)


@pytest.mark.parametrize(
    ("method", "key", "value"),
    [
        ("ties", "keep", 0.3),
        ("ties", "scaling", 0.4),
        ("ties-mean", "merge", "sum"),
        ("task-arithmetic", "scaling", 0.5),
        ("adamerging-layer", "granularity", "none"),
        ("adamerging-layer", "initial", 0.1),
    ],
)
def test_a_parameter_that_makes_a_method_what_it_is_may_not_differ(method: str, key: str, value: object) -> None:
    methods = methods_of()
    methods[method][key] = value
    assert method not in paired(methods, MEASURED[AUTHORS], STANDARD.may_differ)


def test_a_row_with_the_very_parameters_has_the_published_number_and_another_of_the_kind_has_not(
    tmp_path: Path,
) -> None:
    methods = methods_of()
    authors = methods["adamerging-layer"] | {"steps": 500, "learning_rate": 0.001, "batch_size": 32}
    found = paired(methods | {"long": authors}, MEASURED[AUTHORS], STANDARD.may_differ)
    assert found["long"] == "adamerging-layer"
    assert "adamerging-layer" not in found
    # A method that is added to the data later joins by itself.
    known = yaml.safe_load((ROOT / "published/methods.yaml").read_text())
    known[AUTHORS]["new-name"] = {"algorithm": "new", "steps": 900, "rank": 4}
    (tmp_path / "methods.yaml").write_text(yaml.safe_dump(known))
    new = {"mine": {"label": "New", "algorithm": "new", "steps": 5, "rank": 4}}
    assert paired(new, read_measured(tmp_path / "methods.yaml")[AUTHORS], STANDARD.may_differ) == {"mine": "new-name"}


def sweep(path: Path, values: Mapping[float, int]) -> Path:
    frame = pd.concat([scores({"t": {"x": value}}).assign(scaling=at) for at, value in values.items()])
    write_scores(path, frame)
    return path


def regime_of(folder: Path, more: int = 0) -> Scores:
    """Scores of a run whose methods have names of their own."""
    folder.mkdir()
    values = {"zero": 48, "own": 90, "t": 70, "s": 72 + more, "layer": 80, "adamerging-layer-pp": 81}
    for name, value in values.items():
        write_scores(folder / f"{name}.csv", scores({name: {"x": value}}))
    kept = [
        scores({"k": {"x": value}}).assign(study="redundancy", part="all", keep=at)
        for at, value in ((0.2, 89), (1.0, 90))
    ]
    write_scores(folder / "redundancy.csv", pd.concat(kept).drop(columns="method"))
    return Scores(
        methods={name: folder / f"{name}.csv" for name in values},
        sweeps={"t": sweep(folder / "sweep.csv", {0.1: 60, 0.3: 70, 0.4: 74 + more, 1.0: 20})},
        studies={"redundancy": [folder / "redundancy.csv"]},
        kinds={"redundancy": "redundancy"},
    )


def run_methods() -> dict[str, dict[str, Any]]:
    methods = methods_of()
    names = {"zero": "pretrained", "own": "individual", "t": "task-arithmetic", "s": "ties"}
    return {name: methods[known] for name, known in names.items()} | {
        "layer": methods["adamerging-layer"],
        "adamerging-layer-pp": methods["adamerging-layer-pp"] | {"keep": 0.5},
    }


def test_the_regime_is_read_from_the_runs_files_and_from_what_was_published(tmp_path: Path) -> None:
    fitted = of_run(STANDARD.regime, run_methods(), MEASURED[AUTHORS], STANDARD.may_differ)
    # Its ++ keeps half, which nobody published.
    assert "layer-wise-pp" not in fitted
    cosine = pd.DataFrame({"task_a": list("aabb"), "task_b": list("abab"), "cosine": [1, 0.2, 0.2, 1]})
    points = curves(ROOT / "published/curves.csv", AUTHORS, ARCHITECTURE)
    alone = regime_table(STANDARD.regime, fitted, {0: regime_of(tmp_path / "0")}, {0: cosine}, PUBLISHED, points)
    rows = alone.set_index("id")
    expected = {
        "zero-shot": (48, 48.0), "experts": (90, 90.5), "peak": (74, 70.2024), "best-lambda": (0.4, 0.2),
        "lambda-one": (-28, 19.0637 - 48), "cosine": (0.2, None), "largest-fifth": (-1, None), "ties": (2, 3.3),
        "layer-wise": (6, 80.179663 - 70.2024), "layer-wise-pp": (None, 81.150744 - 80.179663),
        "task-wise-pp": (None, 73.762348 - 71.090821),
    }  # fmt: skip
    assert set(rows.index) == set(expected)
    for name, values in expected.items():
        for column, value in zip(("value", "published"), values, strict=True):
            assert rows.loc[name, column] == pytest.approx(np.nan if value is None else value, nan_ok=True)
    assert rows.loc["cosine", "within"] == 0
    assert rows.loc[["zero-shot", "best-lambda", "largest-fifth", "layer-wise"], "within"].tolist() == [1] * 4
    scored = {0: regime_of(tmp_path / "1"), 5: regime_of(tmp_path / "2", more=-3)}
    both = regime_table(STANDARD.regime, fitted, scored, {0: cosine, 5: cosine}, PUBLISHED, points)
    ties = both.set_index("id").loc["ties"]
    assert ties[["value", "lowest", "highest", "seed 0", "seed 5", "within"]].tolist() == [0.5, -1, 2, 2, -1, 1]
    lines = {line.split("|")[1].strip(): line for line in regime_markdown(both).splitlines() if "|" in line}
    cells = [cell.strip() for cell in lines["TIES above Task Arithmetic, both at 0.3 (points)"].split("|")[2:-1]]
    assert cells == ["0.50", "-1.0 to 2.0", "at least 0", "1/2", "3.3"]
    assert "| yes " in regime_markdown(alone)


def test_a_fault_in_the_standard_names_file_and_key(tmp_path: Path) -> None:
    text = (ROOT / "published/fidelity.yaml").read_text(encoding="utf-8")
    (tmp_path / "fidelity.yaml").write_text(text.replace("within: [45, 65]", "within: [45]"))
    with pytest.raises(RemergeError, match=r"fidelity\.yaml: regime\.zero-shot\.within"):
        read_standard(tmp_path / "fidelity.yaml")


@pytest.mark.parametrize("crowd", [2, 12])
def test_names_cover_neither_each_other_nor_points(crowd: int) -> None:
    generator = np.random.default_rng(crowd)
    points = generator.normal([70, 75], [3, 2], (crowd, 2))
    bars = points[:, 1:] + [-1.5, 1.5]
    figure = new_figure(3.6)
    axes = figure.subplots()
    axes.errorbar(points[:, 0], points[:, 1], yerr=1.5, linestyle="none", marker="o")
    axes.margins(0.15)
    name_points(axes, points, bars, [f"Method of a name {index}" for index in range(crowd)])
    figure.draw_without_rendering()
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in axes.texts]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    inner = axes.get_window_extent()
    for box in boxes:
        assert not any(box.contains(*place) for place in axes.transData.transform(points))
        assert inner.containsx(box.x0)
        assert inner.containsx(box.x1)


def project(folder: Path) -> dict[str, Any]:
    """Score files of two seeds under ``results``, and what a job over both declares."""
    frames, _ = random_scores(2)
    names = ["zero", *"abcd"]
    methods = methods_of()
    published = dict(
        zip(names, ["pretrained", "weight-averaging", "task-arithmetic", "ties", "adamerging-layer"], strict=True)
    )
    for pool, frame in zip("pq", frames.values(), strict=True):
        for name in names:
            path = folder / f"results/{pool}/scores/s/{name}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_scores(path, frame[frame["method"] == name])
        path = folder / f"results/{pool}/tables/s/cosine.csv"
        path.parent.mkdir(parents=True)
        path.write_text("task_a,task_b,cosine\nx,y,0.1\n")
    described = {name: methods[known] for name, known in published.items()}
    return {
        "input": {
            "scores": [f"results/{pool}/scores/s/{name}.csv" for pool in "pq" for name in names],
            "cosine": [f"results/{pool}/tables/s/cosine.csv" for pool in "pq"],
            **{name: [] for name in ("sweeps", "trajectories", "studies")},
            **{name: f"published/{file}" for name, file in (("published", "main.csv"), ("curves", "curves.csv"))},
            "measured": "published/methods.yaml",
            "standard": "published/fidelity.yaml",
        },
        "parameters": {
            "seeds": {"p": 0, "q": 3}, "tasks": ["x", "y"], "methods": names, "described": described, "swept": [],
            "learned": [], "studies": [], "kinds": {}, "merged": list("abcd"),
        },
        "code": "none",
        "wildcards": {"pool": "p", "suite": "s", "over": "_over_seeds"},
    }  # fmt: skip


def test_the_scripts_write_tables_that_the_figure_is_drawn_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = project(tmp_path)
    described = declared["parameters"]["described"]
    place = "results/p/tables/s"
    made = {
        "fidelity": {"csv": "csv", "markdown": "md", "latex": "tex"},
        "regime": {"csv": "csv", "markdown": "md"},
    }
    monkeypatch.chdir(tmp_path)
    for name, suffixes in made.items():
        output = {key: f"{place}/{name}_over_seeds.{suffix}" for key, suffix in suffixes.items()}
        output |= {"correlation": f"{place}/correlation_over_seeds.csv"} if name == "fidelity" else {}
        methods = described if name == "fidelity" else list(described)
        told = {"rule": f"{name}_table", "script": f"scripts/{name}_table.py", "output": output}
        told["parameters"] = declared["parameters"] | {"methods": methods}
        job = Job(json.loads(json.dumps(declared | told)), ROOT)
        runpy.run_path(str(ROOT / f"scripts/{name}_table.py"), init_globals={"snakemake": job})
    text = (tmp_path / f"{place}/fidelity_over_seeds.md").read_text(encoding="utf-8")
    assert text.startswith("Spearman's rank correlation")
    assert "4 merged methods, averages over 2 training seeds" in text
    regime = (tmp_path / f"{place}/regime_over_seeds.md").read_text(encoding="utf-8")
    assert "| Zero-shot accuracy (%) " in regime
    files = [f"{place}/{name}_over_seeds.csv" for name in ("fidelity", "correlation")]
    shown = {name: method | {"looks": "other"} for name, method in described.items()}
    evidence = Evidence({"fidelity": files}, ["x", "y", "z"], shown, "trained", "mini")
    for run in ("one", "two"):
        save_figure(draw(evidence), f"{run}.svg", f"{run}.png")
    assert Path("one.svg").read_bytes() == Path("two.svg").read_bytes()
    drawn = Path("one.svg").read_text(encoding="utf-8")
    for word in ("ViT-B/32: published average (%)", "mini: average accuracy (%)", "2/3 tasks; nothing of z"):
        assert word in drawn
    for method in described.values():
        assert method["label"] in drawn
