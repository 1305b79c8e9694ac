"""The zero-shot gate: a downloaded encoder is only merged if it reproduces the published zero-shot accuracy."""

import math
from collections.abc import Mapping

import pandas as pd

from remerge.scoring.scores import accuracy
from remerge.tasks.clip import clip_task
from remerge.tasks.glue import GLUE_TASKS, glue_task

# An encoder that knows its classes is far above chance; one whose classes are mixed up is near it.
NEAR_CHANCE = 3.0
# A wrong activation costs points on every task; a wrong split or template costs points on one.
MANY = 0.5
# Half-width, in standard errors, of the central 95 % of a normal distribution.
Z = 1.96


def judge(
    scores: pd.DataFrame,
    references: Mapping[str, Mapping[str, float]],
    tolerance: float,
    drawn: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """Compare zero-shot accuracy with the published one.

    Args:
        scores: Test scores of the pre-trained encoder.
        references: Published accuracies (percent) by origin and task, the pool's origin first. The values of other
            origins were measured with the same weights on other copies of the images.
        tolerance: Points by which a task may differ.
        drawn: Number of test images that the configuration samples, by task, if not all. For such a task the sampling
            error is added to the tolerance.

    Returns:
        A row per scored task with a published value: ``task``, ``correct``, ``n``, ``ours``, ``origin`` and
        ``published`` of the reference that it matches, or else of the first one, ``difference``, ``allowed`` (points),
        ``wanted`` (how many images should have been scored), and ``passes``.
    """
    rows = []
    for score, ours in zip(scores.itertuples(), accuracy(scores), strict=True):
        known = [(origin, own[score.task]) for origin, own in references.items() if score.task in own]
        if not known:
            continue
        whole = whole_test_set(score.task)
        wanted = min((drawn or {}).get(score.task, whole), whole)
        # If the number of images is not the sample's, something else is wrong, and no sampling error is allowed.
        n = score.n if score.n == wanted else whole
        allowed = [tolerance + sampling_error(value, n, whole) for _, value in known]
        met = [index for index, (_, value) in enumerate(known) if abs(ours - value) <= allowed[index]]
        first = (met or [0])[0]
        origin, value = known[first]
        rows.append(
            (score.task, score.correct, score.n, ours, origin, value, ours - value, allowed[first], wanted, bool(met))
        )
    columns = ["task", "correct", "n", "ours", "origin", "published", "difference", "allowed", "wanted", "passes"]
    return pd.DataFrame(rows, columns=columns)


def whole_test_set(task: str) -> int:
    """Return how many test images, or texts, one of the papers' tasks has."""
    return glue_task(task).sizes["test"] if task in GLUE_TASKS else clip_task(task).test


def sampling_error(percent: float, n: int, whole: int) -> float:
    """Return the half-width, in points, of the 95 % sampling error of the accuracy on ``n`` of ``whole`` images."""
    share = percent / 100
    return 100 * Z * math.sqrt(share * (1 - share) / n * (1 - n / whole))


def likely_cause(verdicts: pd.DataFrame, task: str) -> str:
    """Return the likely cause of a task's zero-shot accuracy being off, and where to look."""
    row = verdicts.set_index("task").loc[task]
    if task in GLUE_TASKS:
        return _likely_cause_with_texts(verdicts, row)
    described = clip_task(task)
    if row["ours"] < NEAR_CHANCE * 100 / len(described.classes) < row["published"]:
        return "class order: accuracy is near chance; compare the labels of the images with the class names"
    if row["n"] != row["wanted"]:
        asked = "" if row["wanted"] == described.test else f", of which {row['wanted']} are drawn"
        return f"split: {row['n']} test images were scored, the official test set has {described.test}{asked}"
    lower = (verdicts["difference"] < 0) & ~verdicts["passes"]
    if len(verdicts) > 1 and lower.mean() > MANY:
        return "activation: most tasks are lower; OpenAI's weights need QuickGELU"
    return "templates or split: other tasks agree; compare the prompts, and the images with the official test set"


def _likely_cause_with_texts(verdicts: pd.DataFrame, row: pd.Series) -> str:
    if row["n"] != row["wanted"]:
        return f"split: {row['n']} test texts were scored, the validation set of GLUE has {row['wanted']}"
    if len(verdicts) > 1 and (~verdicts["passes"]).mean() > MANY:
        return "weights or tokeniser: most tasks differ; compare the downloaded files with the published ones"
    return "instruction or answers: other tasks agree; compare them with the published ones, and the texts with GLUE's"


def explanation(verdicts: pd.DataFrame, tolerance: float) -> str:
    """Return what is wrong, task by task; empty if all pass."""
    failed = verdicts[~verdicts["passes"]]
    lines = [
        f"{row.task}: {row.ours:.1f} % of {row.n}, published {row.published:.1f} ({row.origin})"
        f"{f', {row.allowed:.1f} points allowed for a draw' if row.allowed > tolerance else ''}. "
        f"Likely cause: {likely_cause(verdicts, row.task)}"
        for row in failed.itertuples()
    ]
    if not lines:
        return ""
    head = f"zero-shot accuracy differs from the published by more than {tolerance:g} points; nothing is merged:"
    tail = "If the difference is understood, raise zero_shot_tolerance."
    return "\n  ".join([head, *lines, tail])
