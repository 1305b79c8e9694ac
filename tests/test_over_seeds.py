"""Over several seeds a claim's interval covers seeds and images, of pools that differ in nothing but the seed."""

import json
import re
import runpy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from project import ROOT, copy_project, snakemake
from scipy import stats
from test_claims import BASE, write

from remerge.commands.claims import show_claims
from remerge.commands.results import show_results
from remerge.config.models import Config, Pool
from remerge.findings import resampling
from remerge.findings.claimed_scores import Scores
from remerge.findings.claims import Claim
from remerge.findings.over_seeds import (
    claims_over_seeds,
    claims_over_seeds_markdown,
    main_over_seeds,
    main_over_seeds_markdown,
)
from remerge.findings.resampling import interval
from remerge.findings.tables import Row
from remerge.findings.verdicts import judge, judge_over_seeds
from remerge.plan.pools import Pools
from remerge.run.archive import Job

Answers = dict[str, npt.NDArray[np.int64]]


def random_answers(seeds: int, encoders: int, images: dict[str, int]) -> Answers:
    """Answers of some encoders for each seed, ``[images, seeds * encoders]``, that both seeds and images sway."""
    generator = np.random.default_rng(3)
    of_seed = generator.normal(0, 0.08, (seeds, encoders))
    found = {}
    for task, n in images.items():
        shares = 0.55 + of_seed + generator.normal(0, 0.25, (n, 1, 1)) + generator.normal(0, 0.1, (n, 1, encoders))
        found[task] = (generator.random((n, seeds, encoders)) < shares).reshape(n, -1).astype(np.int64)
    return found


def difference(answers: Answers, columns: Sequence[int], above: int) -> float:
    averages = np.mean([own[:, columns].mean(axis=0) for own in answers.values()], axis=0)
    return float(averages[:above].max() - averages[above:].max())


def by_brute_force(answers: Answers, seeds: int, above: int, resamples: int = 6000) -> tuple[float, float]:
    """The interval by drawing image by image and seed by seed, from the formulas."""
    generator = np.random.default_rng(5)
    encoders = next(iter(answers.values())).shape[1] // seeds
    own = [range(seed * encoders, (seed + 1) * encoders) for seed in range(seeds)]
    means = []
    for _ in range(resamples):
        again = {task: counts[generator.integers(len(counts), size=len(counts))] for task, counts in answers.items()}
        drawn = generator.integers(seeds, size=seeds - 1)
        means.append(np.mean([difference(again, own[seed], above) for seed in drawn]))
    measured = [difference(answers, columns, above) for columns in own]
    of_seeds = np.var(measured, ddof=1) / seeds
    freedom = (seeds - 1) * max(1, np.var(means) / of_seeds) ** 2
    half = stats.t(freedom).ppf(0.975) * np.std(means)
    return float(np.mean(means) - half), float(np.mean(means) + half)


@pytest.mark.parametrize(("seeds", "encoders", "above"), [(3, 2, 1), (5, 2, 1), (4, 5, 3), (2, 4, 1)])
def test_the_interval_is_that_of_drawing_images_and_seeds_one_by_one(seeds: int, encoders: int, above: int) -> None:
    answers = random_answers(seeds, encoders, {"x": 40, "y": 70})
    expected = by_brute_force(answers, seeds, above)
    assert interval(answers, [(above, encoders - above)] * seeds, 2) == pytest.approx(expected, abs=0.008)


def test_seeds_may_have_different_numbers_of_encoders() -> None:
    answers = random_answers(3, 2, {"x": 50})
    # The second seed's side above is the best of its encoder and of one that is never right.
    counts = answers["x"]
    more = {"x": np.insert(counts, 3, 0, axis=1)}
    expected = interval(answers, [(1, 1)] * 3, 1)
    assert interval(more, [(1, 1), (2, 1), (1, 1)], 1) == pytest.approx(expected, abs=0.015)


def test_one_seed_has_the_interval_of_percentiles_over_images() -> None:
    answers = random_answers(1, 2, {"x": 400})
    values = answers["x"][:, 0] - answers["x"][:, 1]
    generator = np.random.default_rng(1)
    means = [values[generator.integers(400, size=400)].mean() for _ in range(6000)]
    assert interval(answers, [(1, 1)], 1) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.008)


def test_seeds_that_agree_entirely_add_nothing_to_the_images() -> None:
    answers = random_answers(1, 2, {"x": 400})
    alone = interval(answers, [(1, 1)], 1)
    assert interval({"x": np.tile(answers["x"], 4)}, [(1, 1)] * 4, 1) == pytest.approx(alone, abs=0.004)


def covered(seeds: int, of_seed: float, of_image: float, sets: int = 300) -> tuple[float, float]:
    """How often intervals hold a true difference of 0 on data drawn anew: over seeds and images, and over images."""
    generator = np.random.default_rng(7)
    hits = np.zeros(2)
    for _ in range(sets):
        effect = generator.normal(0, of_seed, seeds) + generator.normal(0, of_image, (60, 1))
        chance = generator.random((60, seeds))
        # Right with a chance of a half, and half the effect more or less.
        above, below = chance < 0.5 + effect / 2, 1 - chance < 0.5 - effect / 2
        answers = {"x": np.stack([above, below], axis=2).reshape(60, -1).astype(np.int64)}
        over_both = interval(answers, [(1, 1)] * seeds, 1)
        mean = answers["x"].reshape(60, seeds, 2).sum(axis=1)
        over_images = interval({"x": mean}, [(1, 1)], seeds)
        hits += [low <= 0 <= high for low, high in (over_both, over_images)]
    return float(hits[0] / sets), float(hits[1] / sets)


@pytest.mark.parametrize(("seeds", "of_seed", "of_image"), [(5, 0.3, 0.1), (5, 0.05, 0.3), (3, 0.3, 0.1)])
def test_intervals_hold_the_truth_at_least_as_often_as_they_say(
    monkeypatch: pytest.MonkeyPatch, seeds: int, of_seed: float, of_image: float
) -> None:
    monkeypatch.setattr(resampling, "RESAMPLES", 400)
    over_both, over_images = covered(seeds, of_seed, of_image)
    assert over_both >= 0.93
    if of_seed > of_image:
        # If images and seeds interact little, coverage is not too high either; over images alone it is far too low.
        assert over_both < 0.99
        assert over_images < 0.75


def scores_of(folder: Path, answers: dict[str, dict[str, list[bool]]]) -> Scores:
    """Score files of some methods, in a folder of their own."""
    for method, own in answers.items():
        write(folder / f"{method}.csv", own, method=method)
    return Scores(methods={method: folder / f"{method}.csv" for method in answers}, merged=tuple(answers))


def right(count: int, n: int = 100) -> list[bool]:
    return [True] * count + [False] * (n - count)


def test_a_difference_is_the_mean_over_the_seeds_for_which_it_was_made(tmp_path: Path) -> None:
    better = Claim.model_validate({**BASE, "above": {"best_of": "merged"}, "below": {"method": "a"}})
    scores = {
        0: scores_of(tmp_path / "0", {"a": {"x": right(50)}, "b": {"x": right(60)}, "c": {"x": right(55)}}),
        3: scores_of(tmp_path / "3", {"a": {"x": right(50)}, "b": {"x": right(40)}, "c": {"x": right(54)}}),
        4: scores_of(tmp_path / "4", {"b": {"x": right(40)}}),
    }
    verdict = judge_over_seeds(better, scores)
    assert verdict is not None
    assert verdict.differences == pytest.approx({0: 10, 3: 4})
    assert (verdict.above, verdict.below, verdict.difference) == pytest.approx((57, 50, 7))
    assert verdict.best == ("b", "c")
    assert verdict.n == 100
    # Two seeds three points from their mean: with one degree of freedom that can be anything.
    assert verdict.verdict == "undecided"
    assert judge_over_seeds(better, {4: scores[4]}) is None
    one, alone = judge_over_seeds(better, {7: scores[0]}), judge(better, scores[0])
    assert one is not None
    assert alone is not None
    assert (one.low, one.high, one.verdict) == (alone.low, alone.high, alone.verdict)


def test_seeds_are_compared_over_the_tasks_that_all_have(tmp_path: Path) -> None:
    better = Claim.model_validate({**BASE, "above": {"method": "a"}, "below": {"method": "b"}})
    scores = {
        0: scores_of(tmp_path / "0", {"a": {"x": right(60), "y": right(90)}, "b": {"x": right(50), "y": right(10)}}),
        1: scores_of(tmp_path / "1", {"a": {"x": right(70)}, "b": {"x": right(50)}}),
    }
    verdict = judge_over_seeds(better, scores)
    assert verdict is not None
    assert verdict.tasks == ("x",)
    assert verdict.differences == pytest.approx({0: 10, 1: 20})


def config_of(**pools: Pool) -> Config:
    methods = {"z": {"label": "Z", "algorithm": "pretrained"}}
    return Config.model_validate({"pools": pools, "suites": {"s": ["digits"]}, "methods": methods})


def test_only_pools_that_differ_in_nothing_but_the_seed_are_of_one_family() -> None:
    config = config_of(
        b=Pool(seed=2),
        clip=Pool(origin="task-vectors", architecture="ViT-B-32", seed=1),
        a=Pool(seed=0),
        again=Pool(seed=2),
        other=Pool(origin="fusionbench", architecture="ViT-B-32", seed=0),
        branch=Pool(origin="fusionbench", architecture="ViT-B-32", seed=1, revision="v2"),
        clip2=Pool(origin="task-vectors", architecture="ViT-B-32", seed=0),
    )
    assert Pools(config).families() == {"b": {"a": 0, "b": 2}, "clip": {"clip2": 0, "clip": 1}}
    assert Pools(config_of(only=Pool(seed=1), twin=Pool(seed=1))).families() == {}


def test_the_table_gives_each_seeds_verdict_and_says_what_is_missing(tmp_path: Path) -> None:
    claims = {
        "two": Claim.model_validate({**BASE, "above": {"method": "a"}, "below": {"method": "b"}}),
        "one": Claim.model_validate({**BASE, "above": {"method": "a"}, "below": {"method": "c"}}),
        "none": Claim.model_validate({**BASE, "above": {"method": "a"}, "below": {"method": "z"}}),
    }
    scores = {
        1: scores_of(tmp_path / "1", {"a": {"x": right(60)}, "b": {"x": right(50)}, "c": {"x": right(60)}}),
        2: scores_of(tmp_path / "2", {"a": {"x": right(61)}, "b": {"x": right(50)}}),
    }
    verdicts = {
        1: pd.DataFrame({"id": ["two", "one"], "verdict": ["holds", "undecided"]}),
        2: pd.DataFrame({"id": ["two"], "verdict": ["holds"]}),
    }
    table = claims_over_seeds(claims, scores, verdicts, {"x": "3 of 100"}, "mini", "trained")
    assert table["id"].tolist() == ["two", "one"]
    assert table["seeds"].tolist() == [2, 1]
    assert table["seed 2"].fillna("-").tolist() == ["holds", "-"]
    assert table["difference 2"].tolist()[0] == pytest.approx(11)
    assert table["caveats"].tolist() == ["contaminated split: x"] * 2
    assert claims_over_seeds_markdown(table, [1, 2], 3, "all weights").count("contaminated split: x") == 2
    others = {"two": claims["two"].model_copy(update={"other_parameters": ("a",)})}
    elsewhere = claims_over_seeds(others, scores, verdicts, {}, "mini", "trained")
    assert elsewhere["caveats"].tolist() == ["published with other parameters: a"]
    assert "| (–) " in claims_over_seeds_markdown(elsewhere, [1, 2], 3, "all weights")
    assert claims_over_seeds({"none": claims["none"]}, scores, verdicts, {}, "mini", "trained").empty


def results_over_seeds(folder: Path) -> Path:
    """A results folder with two pools of one family and a third, whose encoders are much better, of none."""
    results = folder / "results"
    for pool, more in (("p", 0), ("q", 2), ("stranger", 40)):
        write(results / f"{pool}/scores/s/a.csv", {"x": right(50 + more), "y": right(58)}, method="a")
        write(results / f"{pool}/scores/s/b.csv", {"x": right(30), "y": right(40)}, method="b")
    write(results / "p/studies/r/all.csv", {"x": right(20)}, study="r", part="all", method="m")
    write(results / "q/studies/r/all.csv", {"x": right(20)}, study="r", part="all", method="other")
    for pool in ("p", "q"):
        write(results / f"{pool}/studies/r/all.csv", {"x": right(10)}, study="r", part="all", method="k")
    (results / "audit.csv").write_text("task,split_a,split_b,n_a,n_b,shared\n")

    def recorded(place: str, pools: list[str], **more: object) -> None:
        inputs = {
            "scores": [f"results/{pool}/scores/s/{method}.csv" for pool in pools for method in "ab"],
            "sweeps": [],
            "trajectories": [],
            "studies": [f"results/{pool}/studies/r/all.csv" for pool in pools if pool != "stranger"],
            "audit": "results/audit.csv",
            "verdicts": [f"results/{pool}/tables/s/claims.csv" for pool in pools],
        }
        params = {
            "methods": ["a", "b"], "swept": [], "learned": [], "studies": ["r"] * bool(inputs["studies"]),
            "kinds": {"r": "task_counts"}, "described": {},
            "merged": ["a", "b"], "tasks": ["x"], "architecture": "mini", "origin": "trained", **more,
        }  # fmt: skip
        for path in (results / place, results / "provenance" / f"{place}.json"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"input": inputs, "parameters": params}))

    for pool in ("p", "q", "stranger"):
        recorded(f"{pool}/tables/s/claims.csv", [pool])
    recorded("p/tables/s/claims_over_seeds.csv", ["p", "q"], seeds={"p": 0, "q": 5}, seeded="all weights")
    finished(results, {"p": ["claims_over_seeds", "claims"], "q": ["claims"], "stranger": ["claims"]})
    return results


def finished(results: Path, tables: dict[str, list[str]]) -> None:
    """Record that a run has finished whose report shows these tables of each pool."""
    shown = [
        {"pool": pool, "suite": "s", "tables": {name: f"results/{pool}/tables/s/{name}.md" for name in names}}
        for pool, names in tables.items()
    ]
    record = results / "provenance" / "report.html.json"
    record.parent.mkdir(exist_ok=True)
    record.write_text(json.dumps({"inputs": {}, "output": {}, "parameters": {"sections": shown}}))


def claims_file(folder: Path) -> Path:
    head = "paper: '2310.02575', section: Table 1"
    published = "published: {above: 3, below: 1, source: k, encoder: ViT-B/32, origin: task-vectors}"
    path = folder / "claims.yaml"
    path.write_text(
        f"methods: {{statement: Methods., {head}, above: {{method: a}}, below: {{method: b}}, {published}}}\n"
        f"study: {{statement: Study., {head}, by: 2, above: {{study: r, method: m}}, below: {{study: r, method: k}}}}\n"
    )
    return path


def test_the_terminal_judges_the_declared_pools_together_and_no_other(tmp_path: Path) -> None:
    claims = claims_file(tmp_path)
    text = show_claims(results_over_seeds(tmp_path), claims)
    over, *alone = re.split(r"(?m)^Pool ", text)
    assert over.startswith("Pools p, q, suite s")
    assert [part.split(",")[0] for part in alone] == ["p", "q", "stranger"]
    methods, study = ([cell.strip() for cell in line.split("|")[1:-1]] for line in over.splitlines()[4:6])
    # 19 and 20 points; the stranger's 39 are not among them.
    assert methods[:3] == ["holds", "Methods.", "✓ ✓"]
    assert methods[3].startswith("+19.5 [")
    assert methods[4] == "(+2.0)"
    assert study[:3] == ["holds", "Study. (margin 2)", "✓ ·"]
    assert study[3].endswith("] (seeds: 1)")
    assert "Caveats" not in over
    for said in ("Seed 0 5", "2 training seeds", "Another seed changes all weights", "the choice of test images"):
        assert said in over
    # What an earlier run made of more pools than there are now is not judged.
    finished(tmp_path / "results", {"p": ["claims"]})
    assert "Pools" not in show_claims(tmp_path / "results", claims)


@pytest.mark.parametrize(("one", "other"), [("methods", "study"), ("101", "007")])
def test_the_scripts_write_what_the_terminal_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one: str, other: str
) -> None:
    claims, results = claims_file(tmp_path), results_over_seeds(tmp_path)
    for name, text in (("methods", one), ("study", other)):
        claims.write_text(re.sub(f"(?m)^{name}:", f"'{text}':", claims.read_text()))
    printed = show_claims(results, claims)
    place = "results/p/tables/s"
    told = json.loads((results / "provenance/p/tables/s/claims_over_seeds.csv.json").read_text())
    told["input"] |= {"claims": str(claims), "measured": "published/methods.yaml"}
    methods = {name: {"label": name.upper(), "algorithm": "ties"} for name in "ab"}
    main = {"seeds": {"p": 0, "q": 5}, "seeded": "all weights", "tasks": ["x", "y"], "methods": methods}
    jobs = {
        "claims_over_seeds": told,
        "main_over_seeds": {"input": {"scores": told["input"]["scores"]}, "parameters": main},
    }
    for pool, judged in {"p": [one, other], "q": [one]}.items():
        own = pd.DataFrame({"id": judged, "verdict": "holds"})
        own.to_csv(results / f"{pool}/tables/s/claims.csv", index=False)
    monkeypatch.chdir(tmp_path)
    for rule, job in jobs.items():
        output = {"csv": f"{place}/{rule}.csv", "markdown": f"{place}/{rule}.md"}
        job |= {"rule": rule, "script": f"scripts/{rule}.py", "code": "none", "output": output}
        job["wildcards"] = {"pool": "p", "suite": "s"}
        runpy.run_path(str(ROOT / job["script"]), init_globals={"snakemake": Job(job, ROOT)})
    assert (results / "p/tables/s/claims_over_seeds.md").read_text() in printed
    table = pd.read_csv(results / "p/tables/s/main_over_seeds.csv")
    assert table[["method", "seed 0", "seed 5", "mean"]].values.tolist() == [["A", 54, 55, 54.5], ["B", 35, 35, 35]]


def test_averages_over_seeds_are_those_computed_by_hand(tmp_path: Path) -> None:
    rows = [
        {"method": method, "task": task, "split": "test", "correct": correct, "n": 100, "pool": pool}
        for pool, counts in {"p": (50, 70, 20), "q": (54, 78, None)}.items()
        for method, task, correct in zip("aab", "xyx", counts, strict=True)
        if correct is not None
    ]
    frame = pd.DataFrame(rows)
    scores = {0: frame[frame["pool"] == "p"], 5: frame[frame["pool"] == "q"]}
    methods = {"a": Row("A|A", "ties"), "b": Row("B", "ties")}
    table = main_over_seeds(scores, methods, ["x", "y"])
    assert table.loc[0, ["seed 0", "seed 5", "mean", "tasks"]].tolist() == pytest.approx([60, 66, 63, 2])
    assert table.loc[0, "deviation"] == pytest.approx(18**0.5)
    text = main_over_seeds_markdown(table, [0, 5], 2, "all weights")
    lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines()]
    assert lines[2] == ["A\\|A", "60.0", "66.0", "63.0", "4.2"]
    assert lines[3] == ["B (0/2)", "–", "–", "–", "–"]
    assert "2 training seeds" in text
    assert "fewer tasks" not in text
    place = tmp_path / "results/p/tables/s"
    place.mkdir(parents=True)
    (place / "main.md").write_text("main")
    (place / "main_over_seeds.md").write_text(text)
    finished(tmp_path / "results", {"p": ["main_over_seeds", "main"]})
    assert "63.0" in show_results(tmp_path / "results")


def test_an_encoder_that_merges_fewer_tasks_says_so_over_seeds() -> None:
    rows = [
        {"method": method, "task": task, "split": "test", "correct": 50, "n": 100, "merged": merged}
        for method, merged in (("a", None), ("b", "x+z"))
        for task in "xyz"
    ]
    scores = dict.fromkeys((0, 5), pd.DataFrame(rows))
    methods = {"a": Row("A", "ties"), "b": Row("B", "fisher")}
    table = main_over_seeds(scores, methods, ["x", "y", "z"])
    text = main_over_seeds_markdown(table, [0, 5], 3, "all weights")
    assert [line.split("|")[1].strip() for line in text.splitlines()[2:4]] == ["A", "B (2/3 tasks)"]
    assert "Compare encoders of fewer tasks with each other only." in text


def test_the_workflow_judges_families_and_reads_no_other_pool(tmp_path: Path) -> None:
    folder = copy_project(tmp_path / "project")
    path = folder / "config.yaml"
    more = "  late: {architecture: mini, seed: 2}\n  random: {origin: random, architecture: mini}\n"
    path.write_text(path.read_text().replace("seed: 0}\n", "seed: 0}\n" + more))
    plan = snakemake(folder, "--dry-run", "results/report.html")
    for rule in ("claims_over_seeds", "main_over_seeds"):
        (job,) = re.findall(rf"rule {rule}:\n(.*?)jobid", plan, re.DOTALL)
        results = set(re.findall(r"results/(\w+)/", job.split("output:")[0]))
        assert results == {"mini", "late", "images"} - ({"images"} if rule == "main_over_seeds" else set())
        assert f"results/mini/tables/three/{rule}.csv" in job
    page = re.findall(r"rule report_page:\n(.*?)output:", plan, re.DOTALL)[0]
    assert "results/mini/tables/three/claims_over_seeds.md" in page
