"""Tables of studies, made from their score files alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from remerge.run.markup import Markup
from remerge.scoring.coverage import absence, scored_tasks, share
from remerge.scoring.held_out import NOTE
from remerge.scoring.scores import accuracy
from remerge.studies.kind import load
from remerge.studies.settings import Study


def study_table(study: Study, scores: pd.DataFrame, references: pd.DataFrame, tasks: Sequence[str]) -> pd.DataFrame:
    """Return a study's table: columns that identify the row, then percentages and counts.

    Args:
        study: The study's settings.
        scores: The score files of all its parts.
        references: Scores of ``pretrained``, if it was scored, and of the tasks' own experts, ``individual``, on test
            images.
        tasks: The suite's tasks.

    Returns:
        The table; with a column ``scored`` (``7/8``) if some of the study's tasks were not scored, and without rows if
        none was.
    """
    wanted = study.tasks_in(tasks)
    if scores.empty:
        return pd.DataFrame(columns=["scored"])
    table = load(study.kind).table(study, scores.assign(accuracy=accuracy(scores)), _percent(references))
    scored = scored_tasks(scores, wanted)
    return table if len(scored) == len(wanted) else table.assign(scored=share(scored, wanted))


def notes(study: Study, scores: pd.DataFrame, tasks: Sequence[str], holds_out: bool) -> str:
    """Return the note under a study's table, as plain text.

    Args:
        study: The study's settings.
        scores: The score files of all its parts.
        tasks: The suite's tasks.
        holds_out: Whether validation images are known to have been held out from the experts' training.
    """
    note, wanted = " ".join([load(study.kind).NOTE, *_learning(study)]), study.tasks_in(tasks)
    test = scores[scores["split"] == "test"]
    if test.empty:
        return f"{note} Too few tasks have images: 0/{len(wanted)} scored."
    sizes = ", ".join(f"{task} {n}" for task, n in test.groupby("task", sort=False)["n"].max().items())
    perhaps_seen = "" if holds_out or set(scores["split"]) == {"test"} else NOTE
    images = f"Test images: {sizes}. {absence(set(test['task']), wanted)}"
    return f"{note} Accuracy in percent. {images.strip()} {perhaps_seen}".strip()


def _learning(study: Study) -> list[str]:
    """What is said of a study whose methods learn by other steps or batches than in the main table."""
    given = ", ".join(f"{name} {value}" for name, value in study.learning.items())
    return [f"Methods that learn do so here with {given}."] if given else []


def _percent(references: pd.DataFrame) -> dict[str, dict[str, float]]:
    percent = references.assign(accuracy=accuracy(references))
    return {
        method: dict(zip(rows["task"], rows["accuracy"], strict=True)) for method, rows in percent.groupby("method")
    }


def rounded(table: pd.DataFrame, labels: Mapping[str, str], markup: Markup) -> tuple[Sequence[str], list[list[str]]]:
    """Return a table's header and cells, with one decimal and the methods' labels, escaped for a format."""
    shown = table.replace({"method": dict(labels)}) if "method" in table else table
    exact = ("keep", "lambda", "tasks", "subsets")
    cells = [
        [_cell(value, markup, exact=column in exact) for column, value in zip(shown.columns, row, strict=True)]
        for row in shown.itertuples(index=False, name=None)
    ]
    return [markup.plain(column) for column in shown.columns], cells


def _cell(value: Any, markup: Markup, *, exact: bool) -> str:
    if value is None or value != value:
        return "–"
    return f"{value:g}" if exact else f"{value:.1f}" if isinstance(value, float) else markup.plain(str(value))
