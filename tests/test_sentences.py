"""Every sentence of the report is true of the tables, or left out."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sections import ACCURACIES, add_claims, add_cost, add_curve, claim, make_section

from remerge.findings import topics
from remerge.findings.sentences import (
    against_the_papers,
    claims,
    counts,
    findings,
    gap,
    over_seeds,
    prices,
    runner_up,
    unlike_published,
    winner,
)
from remerge.findings.tables import write_csv
from remerge.studies.kind import load
from remerge.studies.registry import KINDS


def test_the_winner_comes_with_its_price(tmp_path: Path) -> None:
    cost = add_cost(tmp_path, {"AdaMerging": 41.3, "Averaging": 1.0})
    assert winner(make_section(tmp_path, tables=cost)) == (
        "AdaMerging is the best merged encoder: 70.0 % on average over 2 tasks, 77.8 % of what the experts reach, "
        "at the price of a look at unlabeled test images and 41 seconds of jobs."
    )
    assert winner(make_section(tmp_path, {"pre": 40.0, "avg": 60.0})) == (
        "Averaging is the best merged encoder: 60.0 % on average over 2 tasks, without a look at any data."
    )


@pytest.mark.parametrize(("second", "intervals"), [(65.0, "do not overlap"), (69.0, "overlap")])
def test_what_follows_is_named_and_whether_the_lead_is_clear(tmp_path: Path, second: float, intervals: str) -> None:
    told = runner_up(make_section(tmp_path, ACCURACIES | {"ties": second}))
    assert told == f"TIES <b> follows with {second:.1f} %; the 95 % intervals {intervals}."
    assert runner_up(make_section(tmp_path, {"pre": 40.0, "avg": 60.0})) == ""
    assert runner_up(make_section(tmp_path, {"avg": 60.0, "ties": 60.0, "ada": 50.0})) == ""


def test_methods_that_share_the_best_printed_average_win_together(tmp_path: Path) -> None:
    told = winner(make_section(tmp_path, ACCURACIES | {"ties": [72.0, 68.0], "ada": [68.0, 72.0]}))
    assert told == "TIES <b> and AdaMerging are the best merged encoders: 70.0 % each on average over 2 tasks."


def test_averages_over_some_of_the_tasks_say_so(tmp_path: Path) -> None:
    tasks = [f"t{number}" for number in range(8)]
    assert "70.0 % on average over 7 of 8 tasks" in winner(make_section(tmp_path, tasks=tasks, scored=tasks[1:]))


def test_what_merges_fewer_tasks_wins_nothing(tmp_path: Path) -> None:
    section = make_section(tmp_path, ACCURACIES | {"avg": 99.0}, merged={"avg": "digits"})
    assert winner(section).startswith("AdaMerging is the best")
    assert "TIES <b> without any data (65.0 %)" in prices(section)


def test_the_best_is_named_at_every_price(tmp_path: Path) -> None:
    told = prices(make_section(tmp_path, ACCURACIES | {"ada": 50.0}))
    assert told == (
        "The best at every price: TIES <b> without any data (65.0 %); AdaMerging with unlabeled test images (50.0 %)."
    )
    assert prices(make_section(tmp_path, {"pre": 40.0, "avg": 60.0})) == ""


@pytest.mark.parametrize(
    ("best", "begins"),
    [
        (70.0, "The best merged encoder covers 60 % of the distance to the experts"),
        (30.0, "No merged encoder is better than the pre-trained one"),
        (95.0, "The best merged encoder reaches the experts"),
    ],
)
def test_the_gap_is_told_whichever_side_the_merge_is_on(tmp_path: Path, best: float, begins: str) -> None:
    told = gap(make_section(tmp_path, {"pre": 40.0, "ind": 90.0, "avg": best}))
    assert told == f"{begins}: the pre-trained encoder averages 40.0 % and the experts, one per task, 90.0 %."


@given(
    st.fixed_dictionaries({name: st.integers(0, 1000).map(lambda value: value / 10) for name in ("avg", "ties", "ada")})
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nobody_but_the_best_is_ever_called_best(tmp_path: Path, accuracies: dict[str, float]) -> None:
    labels = {"avg": "Averaging", "ties": "TIES <b>", "ada": "AdaMerging"}
    told = winner(make_section(tmp_path, accuracies))
    subject = re.split(" is the best| are the best", told)[0]
    best = max(accuracies.values())
    assert set(re.split(", | and ", subject)) == {labels[name] for name, value in accuracies.items() if value == best}
    assert f"{best:.1f} %" in told


def test_claims_are_counted_and_the_clearest_failure_is_quoted(tmp_path: Path) -> None:
    rows = [
        claim("one", "holds", 1, 2),
        claim("two", "does not hold", -3, -1),
        claim("three", "does not hold", -9, -7),
        claim("four", "undecided", -1, 1),
        claim("five", "holds", 2, 4),
    ]
    section = make_section(tmp_path, tables=add_claims(tmp_path, rows))
    assert counts(section) == {"holds": 2, "does not hold": 2, "undecided": 1}
    assert claims(section) == (
        "Of 5 claims from the papers that this run can judge, 2 hold, 2 do not and 1 is undecided."
    )
    assert against_the_papers(section) == (
        "Against the papers: “three is better” does not hold here; the difference in points is −8.0 [−9.0, −7.0]."
    )


def test_nothing_is_against_the_papers_where_no_claim_fails(tmp_path: Path) -> None:
    assert against_the_papers(make_section(tmp_path, tables=add_claims(tmp_path, [claim("one", "holds", 1, 2)]))) == ""


def test_a_failed_claim_of_a_margin_says_what_was_claimed(tmp_path: Path) -> None:
    section = make_section(tmp_path, tables=add_claims(tmp_path, [claim("one", "does not hold", 4, 6, margin=10.0)]))
    assert against_the_papers(section).endswith("points is +5.0 [+4.0, +6.0], where 10 were claimed.")


def fidelity(folder: Path, ranks: Mapping[str, tuple[float | None, float | None]]) -> dict[str, list[str]]:
    rows = [{"method": name, "rank": ours, "published rank": theirs} for name, (ours, theirs) in ranks.items()]
    write_csv(folder / "fidelity.csv", pd.DataFrame(rows))
    return {"fidelity": [str(folder / "fidelity.csv")]}


def test_a_rank_far_from_the_published_one_is_mentioned(tmp_path: Path) -> None:
    far = {"pre": (None, None), "avg": (1, 4), "ties": (2, 1), "ada": (3, 2)}
    assert unlike_published(make_section(tmp_path, tables=fidelity(tmp_path, far))) == (
        "Furthest from their rank on ViT-B/32: Averaging is number 1 of 3 here and number 4 as published."
    )
    near = {"avg": (1, 3), "ties": (2, 1), "ada": (3, 2)}
    assert unlike_published(make_section(tmp_path, tables=fidelity(tmp_path, near))) == ""


def test_nothing_is_far_from_its_rank_where_nothing_is_ranked(tmp_path: Path) -> None:
    write_csv(tmp_path / "fidelity.csv", pd.DataFrame([{"method": "pre", "average": 48.0}]))
    assert unlike_published(make_section(tmp_path, tables={"fidelity": [str(tmp_path / "fidelity.csv")]})) == ""


def test_the_mean_over_seeds_names_competitors_only(tmp_path: Path) -> None:
    rows = [
        {"method": label, "seed 0": mean, "seed 1": mean, "mean": mean, "deviation": 0.5, "tasks": 2}
        for label, mean in {"Individual": 90.0, "EMR": 80.0, "Averaging": 66.0, "TIES <b>": 65.0}.items()
    ]
    write_csv(tmp_path / "seeds.csv", pd.DataFrame(rows))
    section = make_section(tmp_path, tables={"main_over_seeds": [str(tmp_path / "seeds.csv")]})
    assert over_seeds(section) == (
        "Over 2 training seeds, Averaging is best with a mean of 66.0 % (standard deviation 0.5)."
    )


def test_a_run_without_numbers_found_nothing(tmp_path: Path) -> None:
    assert findings(make_section(tmp_path, {"pre": 40.0})) == []
    assert findings(replace(make_section(tmp_path), tables={})) == []


PEAK = {0.0: 40.0, 0.5: 70.0, 1.0: 30.0}


def test_curves_are_said_to_peak_only_if_all_do(tmp_path: Path) -> None:
    section = make_section(tmp_path, evidence=add_curve(tmp_path, "sweeps", "scaling", {"ties": PEAK, "avg": PEAK}))
    assert topics.every_curve_peaks(section)
    assert topics.scalings(section) == (
        "TIES <b> reaches the highest point of all curves, 70.0 % at lambda 0.5. "
        "At the largest lambda, 2 of 2 curves are below the pre-trained encoder."
    )
    rising = {0.0: 40.0, 0.5: 50.0, 1.0: 60.0}
    section = make_section(tmp_path, evidence=add_curve(tmp_path, "sweeps", "scaling", {"ties": PEAK, "avg": rising}))
    assert topics.every_curve_peaks(section) == ""
    assert "1 of 2 curves is below" in topics.scalings(section)


def test_adaptation_is_said_to_help_only_if_it_always_does(tmp_path: Path) -> None:
    curves: dict[str, dict[float, float]] = {"ada": {0: 60.0, 10: 70.0}, "ties": {0: 60.0, 10: 55.0}}
    section = make_section(tmp_path, evidence=add_curve(tmp_path, "trajectories", "step", curves))
    assert topics.steps(section) == (
        "From the first step to the last, AdaMerging gains most: +10.0 points. 1 of 2 methods ends below the start."
    )
    assert topics.every_method_gains(section) == ""
    curves["ties"][10] = 61.0
    section = make_section(tmp_path, evidence=add_curve(tmp_path, "trajectories", "step", curves))
    assert topics.every_method_gains(section)


@pytest.mark.parametrize(("cosine", "title"), [(0.1, "Task vectors are nearly orthogonal"), (-0.3, "")])
def test_task_vectors_are_called_orthogonal_only_if_they_are(tmp_path: Path, cosine: float, title: str) -> None:
    pairs = [("a", "a", 1.0), ("a", "b", cosine), ("b", "a", cosine), ("b", "b", 1.0)]
    write_csv(tmp_path / "cosine.csv", pd.DataFrame(pairs, columns=["task_a", "task_b", "cosine"]))
    section = make_section(tmp_path, evidence={"cosine": [str(tmp_path / "cosine.csv")]})
    assert topics.nearly_orthogonal(section) == title
    assert f"is {cosine:.2f} on average" in topics.task_vectors(section)


def test_experts_are_averaged_on_their_task_and_on_others_apart(tmp_path: Path) -> None:
    write_csv(
        tmp_path / "experts.csv", pd.DataFrame({"expert": ["digits", "greek"], "digits": [90, 20], "greek": [30, 80]})
    )
    section = make_section(tmp_path, tables={"experts": [str(tmp_path / "experts.csv")]})
    assert topics.experts(section) == (
        "An expert reaches 85.0 % on its task and 25.0 % on the others, where the pre-trained encoder reaches 40.0 %."
    )


def test_more_tasks_are_said_to_cost_what_merged_encoders_lose(tmp_path: Path) -> None:
    lost = {"pre": (50, 45), "ind": (100, 100), "avg": (80, 60), "ties": (82, 70), "ada": (90, 91), "emr": (99, 10)}
    rows = [(tasks, name, value) for name, ends in lost.items() for tasks, value in zip((8, 20), ends, strict=True)]
    table = pd.DataFrame([*rows, (14, "avg", 99)], columns=["tasks", "method", "normalised"])
    write_csv(tmp_path / "suites.csv", table)
    section = make_section(tmp_path, tables={"suites": [str(tmp_path / "suites.csv")]})
    assert topics.suites(section) == (
        "From 8 to 20 tasks, normalised accuracy changes by −20.0 points with Averaging, which loses most, "
        "and by +1.0 with AdaMerging, which loses least."
    )


@pytest.mark.parametrize("topic", topics.TOPICS.values(), ids=topics.TOPICS)
def test_a_topic_without_its_tables_has_no_answer(tmp_path: Path, topic: topics.Topic) -> None:
    assert topic.answer(make_section(tmp_path, {"pre": 40.0})) == ""


LABELS = {"a": "A", "b": "B"}
METHOD = ["a", "b", "a", "b"]
ANSWERS: dict[str, tuple[dict[str, list[Any]], str]] = {
    "generalisation": (
        {"method": METHOD, "unseen average": [40, 44, 50, 54], "unseen, pretrained": [45, 45, 47, 47]},
        "On tasks left out of the merge, B is best of 2 methods with 49.0 % on average; the pre-trained encoder "
        "reaches 46.0 %.",
    ),
    "robustness": (
        {"images": ["clean", "clean", "jpeg", "jpeg"], "method": METHOD, "average": [90, 80, 60, 70]},
        "On corrupted images, B is best of 2 methods with 70.0 % on average, 10.0 points less than on clean ones.",
    ),
    "task_counts": (
        {"method": METHOD, "tasks": [2, 2, 8, 8], "normalised": [90, 80, 70, 70]},
        "A is best with 2 tasks, keeping 90.0 % of the experts' accuracy, and A and B are best with 8 tasks, keeping "
        "70.0 %.",
    ),
    "ties_ablation": (
        {"variant": ["TIES", "without trim", "without elect"], "difference": [0, -3.2, 0.4]},
        "TIES loses most without trim: 3.2 points; without elect it is no worse.",
    ),
    "ties_density": (
        {"keep": [0.2, 0.3, 1.0], "average": [70, 72, 69]},
        "TIES is best when it keeps 30 % of the entries: 72.0 % on average, against 69.0 % with all of them.",
    ),
    "redundancy": (
        {"keep": [0.1, 0.2, 1.0], "average": [80, 89.5, 90]},
        "With the largest 20 % of their task vectors' entries, experts reach 89.5 % on average; with all entries, "
        "90.0 %.",
    ),
    "pairs": (
        {"merged": ["x+y", "x+z"], "average": [80, 90], "normalised": [85, 95]},
        "Two task vectors added keep 90.0 % of the experts' accuracy on average: from 85.0 % (x and y) to 95.0 % (x "
        "and z).",
    ),
    "negation": (
        {"target before": [50, 60], "target after": [10, 20], "control before": [50, 50], "control after": [48, 48]},
        "Subtracting its task vector takes accuracy on a task from 55.0 to 15.0 % on average, and on its control from "
        "50.0 to 48.0 %.",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_study_answers_its_question_with_its_numbers(kind: str) -> None:
    columns, sentence = ANSWERS[kind]
    table = pd.DataFrame(columns)
    assert load(kind).answer(table, LABELS) == sentence
    assert load(kind).QUESTION.endswith("?")


@pytest.mark.parametrize("kind", KINDS)
def test_a_study_without_numbers_has_no_answer(kind: str) -> None:
    columns, _ = ANSWERS[kind]
    keys = ("method", "images", "tasks", "variant", "keep", "merged")
    empty = {name: values if name in keys else [None] * len(values) for name, values in columns.items()}
    assert (
        load(kind).answer(pd.DataFrame(empty).astype({name: float for name in columns if name not in keys}), LABELS)
        == ""
    )
