"""What studies come to, from their score files alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from remerge.run.markup import MARKDOWN
from remerge.scoring.coverage import absence, scored_tasks, share
from remerge.scoring.held_out import NOTE
from remerge.scoring.scores import accuracy

KEPT_OF_CONTROL = 0.95
"""Share of the control's zero-shot accuracy that negation must keep (arXiv:2212.04089, section 3)."""


def study_table(
    study: Mapping[str, Any], scores: pd.DataFrame, references: pd.DataFrame, tasks: Sequence[str]
) -> pd.DataFrame:
    """Return a study's table, tidy: what tells rows apart, then percentages and counts.

    Args:
        study: As the configuration has it.
        scores: The score files of all its parts.
        references: Scores of ``pretrained``, if it was scored, and of the tasks' own experts, ``individual``, on test
            images.
        tasks: The suite's tasks.

    Returns:
        The table; where some of the study's tasks were not scored, with a column ``scored`` (``7/8``), and without
        rows where there was nothing to score.
    """
    wanted = tasks_of_study(study, tasks)
    if scores.empty:
        return pd.DataFrame(columns=["scored"])
    table = _TABLES[study["kind"]](study, scores.assign(accuracy=accuracy(scores)), _percent(references))
    scored = scored_tasks(scores, wanted)
    return table if len(scored) == len(wanted) else table.assign(scored=share(scored, wanted))


def tasks_of_study(study: Mapping[str, Any], tasks: Sequence[str]) -> list[str]:
    """Return the tasks that a study is about: those it names, or all of the suite."""
    return list(study.get("tasks") or tasks)


def notes(study: Mapping[str, Any], scores: pd.DataFrame, tasks: Sequence[str], holds_out: bool) -> str:
    """Return what a reader must know to weigh a study's numbers.

    Args:
        study: As the configuration has it.
        scores: The score files of all its parts.
        tasks: The suite's tasks.
        holds_out: Whether validation images are known to be held out of the experts' training.
    """
    test = scores[scores["split"] == "test"]
    wanted = tasks_of_study(study, tasks)
    if test.empty:
        return f"{_TOLD[study['kind']]} Too few tasks have images: 0/{len(wanted)} scored."
    sizes = ", ".join(f"{task} {n}" for task, n in test.groupby("task", sort=False)["n"].max().items())
    perhaps_seen = "" if holds_out or set(scores["split"]) == {"test"} else NOTE
    images = f"Test images: {MARKDOWN.plain(sizes)}. {absence(set(test['task']), wanted)}"
    return f"{_TOLD[study['kind']]} Accuracy in percent. {images.strip()} {perhaps_seen}".strip()


def _percent(references: pd.DataFrame) -> dict[str, dict[str, float]]:
    percent = references.assign(accuracy=accuracy(references))
    return {method: dict(zip(own["task"], own["accuracy"], strict=True)) for method, own in percent.groupby("method")}


def _wide(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """One row per encoder and one column per task, both in the order of their first appearance."""
    tasks = list(dict.fromkeys(scores["task"]))
    order = scores[by].drop_duplicates()
    wide = scores.pivot(index=by, columns="task", values="accuracy")[tasks].reset_index()
    return order.merge(wide, on=by, how="left")


def _generalisation(study: Mapping[str, Any], scores: pd.DataFrame, references: Any) -> pd.DataFrame:
    wide = _wide(scores, ["part", "method"])
    tasks = list(dict.fromkeys(scores["task"]))
    for index, row in wide.iterrows():
        unseen = study["unseen"][int(row["part"].removeprefix("split-")) - 1]
        wide.loc[index, "unseen"] = ", ".join(unseen)
        zero_shot = references.get("pretrained", {})
        for column, percent in (
            ("seen average", [row[task] for task in tasks if task not in unseen]),
            ("unseen average", [row[task] for task in tasks if task in unseen]),
            ("unseen, pretrained", [zero_shot[task] for task in unseen if task in zero_shot]),
        ):
            wide.loc[index, column] = sum(percent) / len(percent) if percent else None
    return wide


def _robustness(study: Mapping[str, Any], scores: pd.DataFrame, references: Any) -> pd.DataFrame:
    wide = _wide(scores, ["part", "method"]).rename(columns={"part": "images"})
    return wide.assign(average=wide[scored_tasks(scores, study["tasks"])].mean(axis=1))


def _ablation(study: Mapping[str, Any], scores: pd.DataFrame, references: Any) -> pd.DataFrame:
    wide = _wide(scores, ["variant"])
    average = wide.drop(columns="variant").mean(axis=1)
    return wide.assign(average=average, difference=average - average.iloc[0])


def _density(study: Mapping[str, Any], scores: pd.DataFrame, references: Any) -> pd.DataFrame:
    wide = _wide(scores, ["keep"])
    return wide.assign(average=wide.drop(columns="keep").mean(axis=1))


def _normalised(scores: pd.DataFrame, references: Any) -> pd.DataFrame:
    """Add accuracy divided by the expert's, in percent; nothing can be divided by an expert that is never right."""
    experts = {task: percent for task, percent in references["individual"].items() if percent}
    return scores.assign(normalised=100 * scores["accuracy"] / scores["task"].map(experts).astype(float))


def _task_counts(study: Mapping[str, Any], scores: pd.DataFrame, references: Any) -> pd.DataFrame:
    each = _normalised(scores, references).groupby(["method", "merged"], sort=False, as_index=False)
    means = each.agg(average=("accuracy", "mean"), normalised=("normalised", "mean"))
    means["tasks"] = means["merged"].str.count(r"\+") + 1
    return means.groupby(["method", "tasks"], sort=False, as_index=False).agg(
        subsets=("merged", "size"),
        average=("average", "mean"),
        normalised=("normalised", "mean"),
        lowest=("normalised", "min"),
        highest=("normalised", "max"),
    )


def _redundancy(study: Mapping[str, Any], scores: pd.DataFrame, references: Any) -> pd.DataFrame:
    return _density(study, scores, references)


def _pairs(study: Mapping[str, Any], scores: pd.DataFrame, references: Any) -> pd.DataFrame:
    each = _normalised(scores, references).groupby("merged", sort=False, as_index=False)
    return each.agg(average=("accuracy", "mean"), normalised=("normalised", "mean"))


def chosen_negation(scores: pd.DataFrame) -> dict[str, float]:
    """Return, for every task to be forgotten, the lambda that validation images choose."""
    validation = scores[scores["split"] == "validation"]
    validation = validation.assign(accuracy=accuracy(validation))
    chosen = {}
    for task, own in validation.groupby("merged", sort=False):
        table = own.assign(target=own["task"] == task).pivot(index="scaling", columns="target", values="accuracy")
        spared = table[table[False] >= KEPT_OF_CONTROL * table[False][0.0]]
        chosen[str(task)] = float(spared[True].idxmin())
    return chosen


def _negation(study: Mapping[str, Any], scores: pd.DataFrame, references: Any) -> pd.DataFrame:
    test = scores[scores["split"] == "test"]
    rows = []
    for task, scaling in chosen_negation(scores).items():
        own = test[test["merged"] == task]
        control = next(name for name in own["task"] if name != task)
        found = own.pivot(index="scaling", columns="task", values="accuracy")
        row: dict[str, object] = {"task": task, "control": control, "lambda": scaling}
        for role, name in (("target", task), ("control", control)):
            row |= {f"{role} before": found[name][0.0], f"{role} after": found[name][scaling]}
        rows.append(row)
    return pd.DataFrame(rows)


_TABLES: dict[str, Callable[[Mapping[str, Any], pd.DataFrame, Any], pd.DataFrame]] = {
    "generalisation": _generalisation,
    "robustness": _robustness,
    "task_counts": _task_counts,
    "ties_ablation": _ablation,
    "ties_density": _density,
    "redundancy": _redundancy,
    "pairs": _pairs,
    "negation": _negation,
}
_TOLD: dict[str, str] = {
    "generalisation": "Merged without the unseen tasks; methods that adapt look at images of the merged tasks alone.",
    "robustness": "Methods that adapt look at the same corrupted, unlabeled test images that they are scored on.",
    "task_counts": "Means over random subsets of the tasks; normalised: accuracy divided by the expert's.",
    "ties_ablation": "TIES with disjoint mean, each step left out once; difference: in points from TIES.",
    "ties_density": "TIES with a share of each task vector's entries kept.",
    "redundancy": "Each expert with only the largest entries of its own task vector, on its own task.",
    "pairs": "The sum of two task vectors, on both tasks; normalised: accuracy divided by the expert's.",
    "negation": "The pre-trained encoder minus lambda times a task vector; lambda, chosen on validation images, has "
    "the lowest accuracy on the task of those that keep 95 % of the control's zero-shot accuracy.",
}


def rounded(table: pd.DataFrame, labels: Mapping[str, str]) -> tuple[Sequence[str], list[list[str]]]:
    """Return a table's header and cells in Markdown: one decimal, methods by their labels."""
    shown = table.replace({"method": dict(labels)}) if "method" in table else table
    exact = ("keep", "lambda", "tasks", "subsets")
    cells = [
        [_cell(value, exact=column in exact) for column, value in zip(shown.columns, row, strict=True)]
        for row in shown.itertuples(index=False, name=None)
    ]
    return [MARKDOWN.plain(column) for column in shown.columns], cells


def _cell(value: Any, *, exact: bool) -> str:
    if value is None or value != value:
        return "–"
    return f"{value:g}" if exact else f"{value:.1f}" if isinstance(value, float) else MARKDOWN.plain(str(value))
