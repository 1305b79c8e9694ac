"""Verdicts follow from answers: difference, interval and word, and nothing is judged that was not made or declared."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from remerge.commands.claims import show_claims
from remerge.errors import RemergeError
from remerge.findings.claimed_scores import Scores
from remerge.findings.claims import Claim, read_claims
from remerge.findings.claims_tables import claims_markdown, claims_table
from remerge.findings.verdicts import judge
from remerge.scoring.answers import pack_right
from remerge.scoring.scores import write_scores

ROOT = Path(__file__).parent.parent
BASE = {"statement": "A is better.", "paper": "2310.02575", "section": "Table 1"}


def write(path: Path, answers: dict[str, list[bool]], **columns: object) -> None:
    rows = [
        {"task": task, "split": "test", "correct": sum(right), "n": len(right), "right": pack_right(np.array(right))}
        for task, right in answers.items()
    ]
    before = [pd.read_csv(path)] if path.exists() else []
    write_scores(path, pd.concat([*before, pd.DataFrame(rows).assign(**columns)], ignore_index=True))


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Method a answers 80 of 100 and 30 of 50 rightly; b 70 of the same and 20; c is a's twin."""
    a = {"x": [True] * 80 + [False] * 20, "y": [True] * 30 + [False] * 20}
    b = {"x": [True] * 70 + [False] * 30, "y": [True] * 20 + [False] * 30}
    for name, answers in (("a", a), ("b", b), ("c", a)):
        write(tmp_path / f"scores/s/{name}.csv", answers, pool="p", suite="s", method=name)
    return tmp_path


def methods_in(pool: Path, *names: str) -> Scores:
    return Scores(methods={name: pool / f"scores/s/{name}.csv" for name in names}, merged=names)


def claim(above: Mapping[str, object], below: Mapping[str, object], **more: object) -> Claim:
    return Claim.model_validate({**BASE, "above": above, "below": below, **more})


def test_the_difference_is_that_of_averages_over_tasks_and_the_interval_that_of_paired_images(pool: Path) -> None:
    verdict = judge(claim({"method": "a"}, {"method": "b"}), methods_in(pool, "a", "b"))
    assert verdict is not None
    assert (verdict.above, verdict.below, verdict.n) == (70.0, 55.0, 150)
    # Half the sum of 10 of 100 and 10 of 50 images answered differently, all in one direction.
    deviation = 50 * (0.1 * 0.9 / 100 + 0.2 * 0.8 / 50) ** 0.5
    assert verdict.low == pytest.approx(15 - 1.96 * deviation, abs=0.6)
    assert verdict.high == pytest.approx(15 + 1.96 * deviation, abs=0.6)
    assert verdict.verdict == "holds"
    # Unpaired, the interval would be more than twice as wide.
    assert verdict.high - verdict.low < 2 * 1.96 * 50 * (2 * 0.2 / 100 + 2 * 0.24 / 50) ** 0.5 / 1.8


@pytest.mark.parametrize(
    ("above", "below", "by", "word"),
    [
        ("a", "b", 5, "holds"),
        ("a", "b", 14, "undecided"),
        ("a", "b", 30, "does not hold"),
        ("b", "a", 0, "does not hold"),
        ("a", "c", 0, "undecided"),
        ("a", "c", -1, "holds"),
    ],
)
def test_the_whole_interval_decides(pool: Path, above: str, below: str, by: float, word: str) -> None:
    verdict = judge(claim({"method": above}, {"method": below}, by=by), methods_in(pool, "a", "b", "c"))
    assert verdict is not None
    assert verdict.verdict == word


def test_points_of_curves_and_parts_of_studies_are_found(pool: Path) -> None:
    few, many = {"x": [True, False, False, False]}, {"x": [True, True, True, False]}
    for scaling, answers in ((0.0, few), (0.5, many), (1.0, few)):
        write(pool / "sweeps/s/m/test.csv", answers, scaling=scaling, method="m")
    for step, answers in ((0, few), (50, many)):
        write(pool / "trajectories/s/m.csv", answers, step=step, method="m")
    for part, answers in (("clean", few), ("noise", many)):
        write(pool / f"studies/r/{part}.csv", answers, study="r", part=part, method="m", merged="x+y")
        write(pool / f"studies/r/{part}.csv", few, study="r", part=part, method="k", merged="x+y")
    scores = Scores(
        methods={"a": pool / "scores/s/a.csv"},
        sweeps={"m": pool / "sweeps/s/m/test.csv"},
        trajectories={"m": pool / "trajectories/s/m.csv"},
        studies={"r": [pool / "studies/r/clean.csv", pool / "studies/r/noise.csv"]},
        kinds={"r": "robustness"},
    )
    for above, below, difference in (
        ({"sweep": "m", "scaling": "best"}, {"sweep": "m", "scaling": 1.0}, 50),
        ({"trajectory": "m", "step": "last"}, {"trajectory": "m", "step": "first"}, 50),
        ({"study": "r", "method": "m", "images": "corrupted"}, {"study": "r", "method": "k", "part": "noise"}, 50),
        ({"study": "r", "method": "m"}, {"study": "r", "method": "k"}, 25),
    ):
        verdict = judge(claim(above, below), scores)
        assert verdict is not None
        assert verdict.difference == pytest.approx(difference)
    # A label of another kind's encoders.
    assert judge(claim({"study": "r", "method": "m", "tasks": "unseen"}, {"method": "a"}), scores) is None
    assert judge(claim({"method": "a"}, {"method": "nobody"}), scores) is None


def test_forgetting_is_judged_at_the_lambda_that_validation_images_choose(pool: Path) -> None:
    path = pool / "studies/n/all.csv"
    # At 1 most is forgotten, but the control has lost too much; test images would say otherwise.
    answers = {0.0: (9, 8), 0.5: (4, 8), 1.0: (1, 4)}
    for split in ("validation", "test"):
        for scaling, (target, control) in answers.items():
            own = control if split == "validation" else 8
            counts = {"x": target, "y": own}
            told = {task: [True] * count + [False] * (10 - count) for task, count in counts.items()}
            rows = {task: {"right": right} for task, right in told.items()}
            frame = pd.DataFrame(
                [
                    {"task": t, "split": split, "correct": sum(r["right"]), "n": 10,
                     "right": pack_right(np.array(r["right"])), "merged": "x", "scaling": scaling, "study": "n"}
                    for t, r in rows.items()
                ]
            )  # fmt: skip
            before = [pd.read_csv(path)] if path.exists() else []
            write_scores(path, pd.concat([*before, frame], ignore_index=True))
    for role, difference in (("target", 50), ("control", 0)):
        sides = [{"study": "n", "encoder": when, "role": role} for when in ("before", "after")]
        verdict = judge(claim(*sides), Scores(studies={"n": [path]}, kinds={"n": "negation"}))
        assert verdict is not None
        assert verdict.difference == pytest.approx(difference)


def test_tasks_are_seen_or_unseen_by_what_was_merged(pool: Path) -> None:
    path = pool / "studies/g/split-1.csv"
    answers = {"x": [True] * 8 + [False] * 2, "y": [True] * 3 + [False] * 7}
    write(path, answers, study="g", part="split-1", method="m", merged="x+z")
    scores = Scores(studies={"g": [path]}, kinds={"g": "generalisation"})
    for tasks, task, average in (("seen", "x", 80), ("unseen", "y", 30)):
        side = {"study": "g", "method": "m", "tasks": tasks}
        verdict = judge(claim(side, side), scores)
        assert verdict is not None
        assert (verdict.tasks, verdict.above) == ((task,), pytest.approx(average))


def test_the_projects_claims_can_be_read_and_name_known_sources() -> None:
    claims = read_claims(ROOT / "published/claims.yaml")
    assert len(claims) >= 20
    known = set(pd.read_csv(ROOT / "published/sources.csv")["key"])
    assert {key for claim in claims.values() if claim.published for key in claim.published.sources} <= known
    for name, own in claims.items():
        assert own.above != own.below, name


def test_published_numbers_bear_out_the_claims_that_they_are_evidence_of() -> None:
    for name, own in read_claims(ROOT / "published/claims.yaml").items():
        if own.published:
            assert own.published.above - own.published.below >= own.by, name


def test_opposite_claims_are_made_of_different_families_of_checkpoints() -> None:
    claims = [own for own in read_claims(ROOT / "published/claims.yaml").values() if own.by >= 0]
    opposite = [(a, b) for a in claims for b in claims if (a.above, a.below) == (b.below, b.above)]
    assert len(opposite) >= 8
    for a, b in opposite:
        assert a.published and b.published
        assert a.published.origin != b.published.origin
        assert "checkpoints" in a.statement


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c: {statement: s}", "c.paper"),
        ("c: {statement: s, paper: x, section: s, above: {method: a}, below: {method: b}}", "c.paper"),
        ("c: {statement: s, paper: '2310.02575', section: s, above: {methd: a}, below: {method: b}}", "c.above.methd"),
        ("c: {paper: '2310.02575', section: s, above: {study: r, methd: a}, below: {method: b}}", "c.above: .*'methd'"),
        (
            "c: {paper: '2310.02575', section: s, above: {study: r, tasks: all}, below: {method: b}}",
            "c.above: .*tasks is seen or unseen, not 'all'",
        ),
        ("c: {extra: 1, paper: '2310.02575', section: s, above: {method: a}, below: {method: b}}", "c.extra"),
        ("c: 1\nc: 2", "stands twice"),
    ],
)
def test_bad_claims_are_refused_with_their_key(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "claims.yaml").write_text(text)
    with pytest.raises(RemergeError, match=message):
        read_claims(tmp_path / "claims.yaml")


def test_the_table_says_what_to_bear_in_mind(pool: Path) -> None:
    published = {"above": 2, "below": 1, "source": "k", "encoder": "ViT-B/32", "origin": "task-vectors"}
    claims = {
        "one": claim({"method": "a"}, {"method": "b"}, published=published),
        "two": claim({"method": "a"}, {"method": "z"}),
        "three": claim({"method": "a"}, {"method": "c"}, by=-1),
    }
    scores = methods_in(pool, "a", "b", "c")
    table = claims_table(claims, scores, {"y": "3 of 50"}, "mini", "trained")
    foreign = "published for other checkpoints: ViT-B/32, task-vectors"
    assert table["caveats"].tolist() == [f"contaminated split: y; {foreign}", "contaminated split: y"]
    assert table["source"].tolist() == ["k", "arXiv:2310.02575, Table 1"]
    assert claims_table(claims, scores, {}, "ViT-B-32", "task-vectors")["caveats"].tolist() == ["", ""]
    assert claims_table(claims, scores, {}, "ViT-B-32", "finetuned")["caveats"].tolist() == [foreign, ""]
    fewer = claims_table(claims, scores, {}, "ViT-B-32", "task-vectors", ["x", "y"])
    assert fewer["caveats"].tolist() == ["published for 8 tasks", ""]
    text = claims_markdown(table, len(claims))
    assert "holds: 2, does not hold: 0, undecided: 0; 1 of 3 claims need encoders that were not made" in text
    assert "2.0 / 1.0" in text
    assert "A is better. (margin -1)" in text


def test_encoders_that_merge_other_tasks_are_not_compared(pool: Path) -> None:
    few = {"x": [True] * 100, "y": [True] * 50}
    for name in ("f", "g"):
        write(pool / f"scores/s/{name}.csv", few, pool="p", suite="s", method=name, merged="x+y")
    scores = Scores(methods={name: pool / f"scores/s/{name}.csv" for name in "abfg"}, merged=["b", "f", "g"])
    assert judge(claim({"method": "f"}, {"method": "b"}), scores) is None
    assert judge(claim({"method": "f"}, {"method": "g"}), scores) is not None
    # A reference merges nothing.
    assert judge(claim({"method": "f"}, {"method": "a"}), scores) is not None
    best = judge(claim({"method": "a"}, {"best_of": "merged"}), scores)
    assert best is not None
    assert best.below == 55
    told = claims_table(
        {"one": claim({"method": "a"}, {"method": "b"})}, scores, {}, "mini", "trained", ["x", "y", "z"]
    )
    assert told["caveats"].tolist() == ["2/3 tasks: no images of z"]


Answers = dict[str, npt.NDArray[np.bool_]]


def brute_force(answers: Answers, difference: Callable[[Answers], float], resamples: int = 3000) -> tuple[float, float]:
    """The interval by drawing image by image: ``answers`` by task, ``[encoders, rows, images]``."""
    generator = np.random.default_rng(1)
    drawn = []
    for _ in range(resamples):
        again = {task: own[..., generator.integers(own.shape[-1], size=own.shape[-1])] for task, own in answers.items()}
        drawn.append(difference(again))
    low, high = 100 * np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def averages(answers: Answers) -> npt.NDArray[np.floating]:
    return np.concatenate([own.mean(axis=-1) for own in answers.values()], axis=1).mean(axis=1)


def random_answers(shares: list[list[float]], images: Mapping[str, int], copies: int = 1) -> Answers:
    """Answers that encoders give; in every row of a task nearly the same."""
    generator = np.random.default_rng(0)
    answers = {}
    for task, n in images.items():
        once = generator.random((len(shares), 1, n)) < np.array([own[:1] for own in shares])[..., None]
        flipped = generator.random((len(shares), copies, n)) < 0.05
        answers[task] = np.repeat(once, copies, axis=1) ^ flipped
    return answers


def test_an_image_that_answers_in_many_rows_is_drawn_once(tmp_path: Path) -> None:
    answers = random_answers([[0.7], [0.6]], {"x": 60, "y": 90}, copies=8)
    for encoder, method in enumerate(("m", "k")):
        for row in range(8):
            rows = {task: own[encoder, row].tolist() for task, own in answers.items()}
            write(tmp_path / "all.csv", rows, study="t", method=method, merged=f"x+y+{row}")
    scores = Scores(studies={"t": [tmp_path / "all.csv"]}, kinds={"t": "task_counts"})
    verdict = judge(claim({"study": "t", "method": "m"}, {"study": "t", "method": "k"}), scores)
    assert verdict is not None
    assert verdict.n == 150
    expected = brute_force(answers, lambda own: float(np.subtract(*averages(own))))
    assert (verdict.low, verdict.high) == pytest.approx(expected, abs=0.7)
    # If every answer counted as a separate image, the interval would be less than half as wide.
    rows_alone = {f"{task}{row}": own[:, row : row + 1] for task, own in answers.items() for row in range(8)}
    low, high = brute_force(rows_alone, lambda own: float(np.subtract(*averages(own))), 500)
    assert high - low < (verdict.high - verdict.low) / 2


def test_the_best_scaling_is_chosen_anew_in_every_resample(tmp_path: Path) -> None:
    answers = random_answers([[0.6], [0.6], [0.6], [0.6], [0.55]], {"x": 40, "y": 60})
    for encoder, scaling in enumerate((0.0, 0.3, 0.5, 1.0)):
        write(tmp_path / "c.csv", {task: own[encoder, 0].tolist() for task, own in answers.items()}, scaling=scaling)
    write(tmp_path / "b.csv", {task: own[4, 0].tolist() for task, own in answers.items()}, method="b")
    scores = Scores(methods={"b": tmp_path / "b.csv"}, sweeps={"c": tmp_path / "c.csv"})
    verdict = judge(claim({"sweep": "c", "scaling": "best"}, {"method": "b"}), scores)
    assert verdict is not None
    expected = brute_force(answers, lambda own: float(averages(own)[:4].max() - averages(own)[4]))
    assert (verdict.low, verdict.high) == pytest.approx(expected, abs=1)
    best = int(averages(answers)[:4].argmax())
    fixed = brute_force(answers, lambda own: float(averages(own)[best] - averages(own)[4]))
    assert verdict.low > fixed[0] + 1.5
    assert verdict.best == (f"lambda {(0.0, 0.3, 0.5, 1.0)[best]:g}",)


def test_the_best_of_merged_is_the_best_of_those_that_compete(tmp_path: Path) -> None:
    answers = random_answers([[0.9], [0.6], [0.6], [0.6], [0.95]], {"x": 40, "y": 60})
    names = ("expert", "p", "q", "r", "joint")
    for encoder, name in enumerate(names):
        write(tmp_path / f"{name}.csv", {task: own[encoder, 0].tolist() for task, own in answers.items()}, method=name)
    methods = {name: tmp_path / f"{name}.csv" for name in names}
    scores = Scores(methods=methods, merged=("p", "q", "r"))
    verdict = judge(claim({"method": "expert"}, {"best_of": "merged"}), scores)
    assert verdict is not None
    expected = brute_force(answers, lambda own: float(averages(own)[0] - averages(own)[1:4].max()))
    assert (verdict.low, verdict.high) == pytest.approx(expected, abs=1)
    assert verdict.below == pytest.approx(100 * averages(answers)[1:4].max())
    assert verdict.best == (names[1 + int(averages(answers)[1:4].argmax())],)
    assert judge(claim({"method": "expert"}, {"best_of": "merged"}), Scores(methods=methods)) is None


def test_an_interval_does_not_depend_on_how_much_is_drawn_at_once(pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sides = claim({"method": "a"}, {"best_of": "merged"})
    whole = judge(sides, methods_in(pool, "a", "b", "c"))
    monkeypatch.setattr("remerge.findings.resampling.WEIGHTS_AT_ONCE", 1000)
    assert judge(sides, methods_in(pool, "a", "b", "c")) == whole


def test_rows_of_other_images_are_refused_by_name(pool: Path) -> None:
    write(pool / "scores/s/short.csv", {"x": [True] * 99, "y": [True] * 50}, pool="p", suite="s", method="short")
    with pytest.raises(RemergeError, match="x has 100 test images in one row and 99 in another"):
        judge(claim({"method": "a"}, {"method": "short"}), methods_in(pool, "a", "short"))


def test_a_side_of_several_variants_is_refused(tmp_path: Path) -> None:
    for variant in ("TIES", "without trim"):
        write(tmp_path / "all.csv", {"x": [True, False]}, study="t", variant=variant, part="all")
    sides = ({"study": "t"}, {"study": "t", "variant": "TIES"})
    with pytest.raises(RemergeError, match="several rows for all, x; name its method, variant or keep"):
        judge(claim(*sides), Scores(studies={"t": [tmp_path / "all.csv"]}, kinds={"t": "task_counts"}))


def results_of(folder: Path, methods: list[str], parts: list[str]) -> Path:
    """A results folder with a claims table whose record declares some methods and some parts of a study."""
    results = folder / "results"
    few, many = {"x": [True, False] * 20}, {"x": [True, True, True, False] * 10}
    for name, answers in (("a", many), ("b", few), ("stray", many)):
        write(results / f"p/scores/s/{name}.csv", answers, method=name)
        write(results / f"p/studies/r/{name}.csv", answers, study="r", part=name, method="m")
        write(results / f"p/studies/r/{name}.csv", few, study="r", part=name, method="k")
    (results / "audit.csv").write_text("task,split_a,split_b,n_a,n_b,shared\n")
    record = {
        "input": {
            "scores": [f"results/p/scores/s/{name}.csv" for name in methods],
            "sweeps": [],
            "trajectories": [],
            "studies": [f"results/p/studies/r/{part}.csv" for part in parts],
            "audit": "results/audit.csv",
        },
        "parameters": {
            "methods": methods, "swept": [], "learned": [], "studies": ["r"] * len(parts), "merged": methods,
            "kinds": {"r": "task_counts"}, "described": {}, "tasks": ["x"],
            "architecture": "mini", "origin": "trained",
        },
    }  # fmt: skip
    report = {"inputs": {}, "output": {}, "parameters": {"sections": [{"pool": "p", "suite": "s", "tables": {}}]}}
    # Made by an earlier run, of another suite.
    for table, told in (
        ("p/tables/s/claims.csv", record),
        ("p/tables/old/claims.csv", record),
        ("report.html", report),
    ):
        for path in (results / table, results / "provenance" / f"{table}.json"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(told))
    return results


def claims_file(folder: Path) -> Path:
    path = folder / "claims.yaml"
    head = "paper: '2310.02575', section: Table 1"
    path.write_text(
        f"methods: {{statement: Methods., {head}, above: {{method: a}}, below: {{method: b}}}}\n"
        f"study: {{statement: Study., {head}, above: {{study: r, method: m}}, below: {{study: r, method: k}}}}\n"
        f"stray: {{statement: Stray., {head}, above: {{method: stray}}, below: {{method: b}}}}\n"
        f"best: {{statement: Best., {head}, above: {{best_of: merged}}, below: {{method: b}}}}\n"
    )
    return path


def test_only_what_the_last_run_declared_is_judged(tmp_path: Path) -> None:
    text = show_claims(results_of(tmp_path / "one", ["a", "b"], ["a", "b"]), claims_file(tmp_path))
    lines = {name: line for line in text.splitlines() for name in ("Methods.", "Study.", "Stray.") if name in line}
    # 75 and 50 % of one part, 50 % of the other; the stray part would make it more.
    assert lines.keys() == {"Methods.", "Study."}
    assert "+12.5" in lines["Study."]
    assert "best: a" in text
    assert "suite old" not in text
    text = show_claims(results_of(tmp_path / "two", ["b"], ["b"]), claims_file(tmp_path))
    assert "Methods." not in text
    assert "+0.0 [+0.0, +0.0]" in next(line for line in text.splitlines() if "Study." in line)


def test_without_a_record_the_remedy_is_told(tmp_path: Path) -> None:
    results = results_of(tmp_path, ["a", "b"], [])
    (results / "provenance/p/tables/s/claims.csv.json").unlink()
    with pytest.raises(RemergeError, match=r"claims.csv: no record .* run `snakemake --cores all`"):
        show_claims(results, claims_file(tmp_path))
    (results / "provenance/report.html.json").unlink()
    with pytest.raises(RemergeError, match=r"no finished run: .* run `snakemake --cores all`"):
        show_claims(results, claims_file(tmp_path))
