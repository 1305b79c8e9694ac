"""Merge some of the tasks and score on all (arXiv:2310.02575, Table 3)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from remerge.checkpoints.headers import split_tasks
from remerge.run.words import are, leaders
from remerge.studies.columns import References, by_task
from remerge.studies.settings import Costs, StudyOfMethods

if TYPE_CHECKING:
    import pandas as pd

    from remerge.checkpoints.weights import Weights
    from remerge.scoring.bench import Variant
    from remerge.studies.methods import Merging

QUESTION = "What is left for tasks that are not merged?"
CAPTION = "Merged without two tasks: what is left for those?"
NOTE = "Merged without the unseen tasks; methods that adapt look at images of the merged tasks alone."
LABELS = {"tasks": ("seen", "unseen")}


class Settings(StudyOfMethods):
    """Merge some of the tasks and score on all (AdaMerging, Table 3)."""

    left_out_keys = ("unseen",)

    kind: Literal["generalisation"]
    unseen: list[Annotated[list[str], Field(min_length=1)]] = Field(
        min_length=1, description="For each split, the suite's tasks that are not merged."
    )

    @property
    def parts(self) -> list[str]:
        """One per split."""
        return [f"split-{number}" for number in range(1, len(self.unseen) + 1)]

    def settings_of(self, part: str) -> dict[str, Any]:
        """Return the settings, with the tasks that this split does not merge."""
        return super().settings_of(part) | {"unseen": self.unseen[self.parts.index(part)]}

    def passes(self, suite: Sequence[str], costs: Costs) -> float:
        """Every split with every method, on all tasks."""
        seen = [len(suite) - len(unseen) for unseen in self.unseen]
        return sum(costs.images(suite) + costs.learning(method, tasks) for tasks in seen for method in self.methods)


def variants(
    task_vectors: "Mapping[str, Weights]", merging: "Merging", *, unseen: Sequence[str], methods: Sequence[str]
) -> "Iterator[Variant]":
    """Yield each method's merge of all but the unseen tasks, to be scored on all tasks."""
    yield from merging.variants(methods, {task: vector for task, vector in task_vectors.items() if task not in unseen})


def table(settings: Settings, scores: "pd.DataFrame", references: References) -> "pd.DataFrame":
    """Return accuracy by split and method, averages over seen and unseen tasks, and the pre-trained encoder's."""
    wide = by_task(scores, ["part", "method"])
    tasks = list(dict.fromkeys(scores["task"]))
    zero_shot = references.get("pretrained", {})
    for index, row in wide.iterrows():
        unseen = settings.unseen[settings.parts.index(row["part"])]
        wide.loc[index, "unseen"] = ", ".join(unseen)
        for column, percent in (
            ("seen average", [row[task] for task in tasks if task not in unseen]),
            ("unseen average", [row[task] for task in tasks if task in unseen]),
            ("unseen, pretrained", [zero_shot[task] for task in unseen if task in zero_shot]),
        ):
            wide.loc[index, column] = sum(percent) / len(percent) if percent else None
    return wide


def encoders(scores: "pd.DataFrame") -> "pd.DataFrame":
    """Return the rows for test images, with a column ``tasks`` that says whether the row's task was merged."""
    test = scores[scores["split"] == "test"]
    merged = [task in split_tasks(names) for task, names in zip(test["task"], test["merged"], strict=True)]
    return test.assign(tasks=["seen" if seen else "unseen" for seen in merged])


def answer(table: "pd.DataFrame", labels: Mapping[str, str]) -> str:
    """Say which method is best on tasks that were not merged, and what the pre-trained encoder reaches there."""
    means = table.groupby("method", sort=False)[["unseen average", "unseen, pretrained"]].mean().dropna()
    if means.empty:
        return ""
    unseen = dict(means["unseen average"])
    best = [labels[method] for method in leaders(unseen)]
    return (
        f"On tasks left out of the merge, {are(best)} best of {len(means)} methods with {max(unseen.values()):.1f} % "
        f"on average; the pre-trained encoder reaches {means['unseen, pretrained'].iloc[0]:.1f} %."
    )
