"""Forget a task by subtracting its task vector, with another task as control (arXiv:2212.04089, section 3, Table 1)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from remerge.run.settings import Grid
from remerge.studies.columns import References
from remerge.studies.settings import Costs, Study

if TYPE_CHECKING:
    import pandas as pd

    from remerge.checkpoints.weights import Weights
    from remerge.scoring.bench import Variant
    from remerge.studies.methods import Merging

QUESTION = "Can a task be forgotten?"
CAPTION = "A task vector subtracted: its task is forgotten, the control should stay."
NOTE = (
    "The pre-trained encoder minus lambda times a task vector; lambda, chosen on validation images, has "
    "the lowest accuracy on the task of those that keep 95 % of the control's zero-shot accuracy."
)
LABELS = {"encoder": ("before", "after"), "role": ("target", "control")}
KEPT_OF_CONTROL = 0.95
"""Share of the control's zero-shot accuracy that negation must keep (arXiv:2212.04089, section 3)."""


class Settings(Study):
    """Forget a task by subtracting its task vector, with another task as control (Task Arithmetic, section 3).

    The control is the next task in the suite. Lambda is chosen on validation images: among the values that keep 95 % of
    the control's zero-shot accuracy, the one with the lowest accuracy on the task to forget.
    """

    fewest_tasks = 2
    looks_at_validation = True

    kind: Literal["negation"]
    scalings: Grid = Field(
        [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0],
        min_length=2,
        description="Values of lambda to choose from. They must include 0, the pre-trained encoder.",
    )

    @model_validator(mode="after")
    def _from_zero(self) -> "Settings":
        if 0.0 not in self.scalings:
            raise ValueError("`scalings` must hold 0, the encoder before anything is forgotten")
        return self

    def passes(self, suite: Sequence[str], costs: Costs) -> float:
        """Every task with its control, on both splits."""
        return 2 * len(self.scalings) * (costs.images(suite) + costs.images(suite, "validation"))


def controls(tasks: Sequence[str]) -> dict[str, str]:
    """Return every task's control, the next task in the list; empty if there is only one task."""
    return dict(zip(tasks, [*tasks[1:], tasks[0]], strict=True)) if len(tasks) > 1 else {}


def variants(
    task_vectors: "Mapping[str, Weights]", merging: "Merging", *, scalings: Sequence[float]
) -> "Iterator[Variant]":
    """Yield the pre-trained encoder minus each scaled task vector, to be scored on its task and the control."""
    from remerge.scoring.bench import Variant

    control = controls(merging.bench.tasks)
    for task, vector in task_vectors.items():
        for scaling in scalings if task in control else ():
            yield Variant({"merged": task, "scaling": scaling}, vector, -scaling, tasks=[task, control[task]])


def chosen_scalings(scores: "pd.DataFrame") -> dict[str, float]:
    """Return, for every task to forget, the lambda chosen on validation images."""
    from remerge.scoring.scores import accuracy

    validation = scores[scores["split"] == "validation"]
    validation = validation.assign(accuracy=accuracy(validation))
    chosen = {}
    for task, rows in validation.groupby("merged", sort=False):
        percent = rows.assign(target=rows["task"] == task).pivot(index="scaling", columns="target", values="accuracy")
        spared = percent[percent[False] >= KEPT_OF_CONTROL * percent[False][0.0]]
        chosen[str(task)] = float(spared[True].idxmin())
    return chosen


def table(settings: Settings, scores: "pd.DataFrame", references: References) -> "pd.DataFrame":
    """Return accuracy on each task and its control, before and after forgetting, with the chosen lambda."""
    import pandas as pd

    test = scores[scores["split"] == "test"]
    rows = []
    for task, scaling in chosen_scalings(scores).items():
        forgotten = test[test["merged"] == task]
        control = next(name for name in forgotten["task"] if name != task)
        percent = forgotten.pivot(index="scaling", columns="task", values="accuracy")
        row: dict[str, object] = {"task": task, "control": control, "lambda": scaling}
        for role, name in (("target", task), ("control", control)):
            row |= {f"{role} before": percent[name][0.0], f"{role} after": percent[name][scaling]}
        rows.append(row)
    return pd.DataFrame(rows)


def encoders(scores: "pd.DataFrame") -> "pd.DataFrame":
    """Return the rows for test images at lambda 0 and at the chosen lambda.

    ``encoder`` tells these apart, and ``role`` says whether the row's task is the one to forget or its control. Where 0
    is chosen, the same rows appear twice.
    """
    import pandas as pd

    test = scores[scores["split"] == "test"]
    test = test.assign(role=["target" if same else "control" for same in test["task"] == test["merged"]])
    chosen = {"before": 0.0, "after": test["merged"].map(chosen_scalings(scores))}
    return pd.concat([test[test["scaling"] == scaling].assign(encoder=name) for name, scaling in chosen.items()])


def answer(table: "pd.DataFrame", labels: Mapping[str, str]) -> str:
    """Say what subtraction does to accuracy on the task to forget and on its control."""
    means = table[["target before", "target after", "control before", "control after"]].dropna().mean()
    if means.isna().any():
        return ""
    return (
        f"Subtracting its task vector takes accuracy on a task from {means['target before']:.1f} to "
        f"{means['target after']:.1f} % on average, and on its control from {means['control before']:.1f} to "
        f"{means['control after']:.1f} %."
    )
