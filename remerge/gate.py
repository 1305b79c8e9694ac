"""The zero-shot gate: a downloaded encoder that does not score as others found it is not merged."""

from collections.abc import Mapping

import pandas as pd

from remerge.scores import accuracy
from remerge.tasks.clip import clip_task

# An encoder that knows its classes is far above chance; one whose classes are mixed up is near it.
NEAR_CHANCE = 3.0
# The wrong activation costs points on every task; a wrong split or template on one.
MANY = 0.5


def judge(scores: pd.DataFrame, references: Mapping[str, Mapping[str, float]], tolerance: float) -> pd.DataFrame:
    """Compare zero-shot accuracy with the published.

    Args:
        scores: Test scores of the pre-trained encoder.
        references: Published accuracies (percent) by origin and task, the pool's own origin first. A value of
            another origin was measured with the same weights on other copies of the images.
        tolerance: Points by which a task may differ.

    Returns:
        A row per scored task with a published value: ``task``, ``correct``, ``n``, ``ours``, ``origin`` and
        ``published`` of the reference that is met, or of the first, ``difference``, and ``passes``.
    """
    rows = []
    for score, ours in zip(scores.itertuples(), accuracy(scores), strict=True):
        known = [(origin, own[score.task]) for origin, own in references.items() if score.task in own]
        if not known:
            continue
        met = [(origin, value) for origin, value in known if abs(ours - value) <= tolerance]
        origin, value = (met or known)[0]
        rows.append((score.task, score.correct, score.n, ours, origin, value, ours - value, bool(met)))
    columns = ["task", "correct", "n", "ours", "origin", "published", "difference", "passes"]
    return pd.DataFrame(rows, columns=columns)


def likely_cause(verdicts: pd.DataFrame, task: str) -> str:
    """Return what probably makes a task's zero-shot accuracy differ, and where to look."""
    row = verdicts.set_index("task").loc[task]
    described = clip_task(task)
    if row["ours"] < NEAR_CHANCE * 100 / len(described.classes) < row["published"]:
        return "class order: accuracy is near chance; compare the labels of the images with the class names"
    if row["n"] != described.test:
        return f"split: {row['n']} test images were scored, the official test set has {described.test}"
    lower = (verdicts["difference"] < 0) & ~verdicts["passes"]
    if len(verdicts) > 1 and lower.mean() > MANY:
        return "activation: most tasks are lower; OpenAI's weights need QuickGELU"
    return "templates or split: other tasks agree; compare the prompts, and the images with the official test set"


def explanation(verdicts: pd.DataFrame, tolerance: float) -> str:
    """Return what is wrong, task by task; empty if all pass."""
    failed = verdicts[~verdicts["passes"]]
    lines = [
        f"{row.task}: {row.ours:.1f} % of {row.n}, published {row.published:.1f} ({row.origin}). "
        f"Likely cause: {likely_cause(verdicts, row.task)}"
        for row in failed.itertuples()
    ]
    if not lines:
        return ""
    head = f"zero-shot accuracy differs from the published by more than {tolerance:g} points; nothing is merged:"
    tail = "If the difference is understood, raise zero_shot_tolerance."
    return "\n  ".join([head, *lines, tail])
