"""Adapt to corrupted test images and score on them (arXiv:2310.02575, Table 4)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from remerge.images.corruptions import CONSTANTS
from remerge.run.words import are, leaders, listed
from remerge.scoring.coverage import scored_tasks
from remerge.studies.columns import References, by_task
from remerge.studies.settings import Costs, StudyOfMethods

if TYPE_CHECKING:
    import pandas as pd

    from remerge.checkpoints.weights import Weights
    from remerge.scoring.bench import Variant
    from remerge.studies.methods import Merging

QUESTION = "Which method withstands corrupted images?"
CAPTION = "Corrupted images: methods that adapt have looked at the same images, without labels."
NOTE = "Methods that adapt look at the same corrupted, unlabeled test images that they are scored on."
LABELS = {"images": ("clean", "corrupted")}


class Settings(StudyOfMethods):
    """Adapt to corrupted test images and score on them (AdaMerging, Table 4)."""

    merged_keys = ("tasks",)

    kind: Literal["robustness"]
    tasks: list[str] = Field(min_length=1, description="The suite's tasks to merge and score.")
    corruptions: list[Literal[tuple(CONSTANTS)]] = Field(  # type: ignore[valid-type]
        list(CONSTANTS),
        min_length=1,
        description="Corruptions to apply; clean images are always scored too. As in the paper, images are corrupted "
        "before they are resized and cropped.",
    )
    severity: int = Field(2, ge=1, le=5, description="Severity of all corruptions (paper: 2).")

    @property
    def parts(self) -> list[str]:
        """Clean images and each corruption."""
        return ["clean", *self.corruptions]

    def settings_of(self, part: str) -> dict[str, Any]:
        """Return tasks and methods; the job's inputs determine the images."""
        return self.model_dump(include={"tasks", "methods"})

    def tasks_in(self, suite: Sequence[str]) -> list[str]:
        """Return the tasks listed in the settings."""
        return self.tasks

    def images_of(self, part: str) -> str:
        """Return the folder of clean or corrupted test images."""
        return "test" if part == "clean" else f"corrupted/{part}-{self.severity}"

    def passes(self, suite: Sequence[str], costs: Costs) -> float:
        """Every method on clean images and on every corruption."""
        images = costs.images(self.tasks)
        return len(self.parts) * sum(images + costs.learning(method, len(self.tasks)) for method in self.methods)


def variants(
    task_vectors: "Mapping[str, Weights]", merging: "Merging", *, tasks: Sequence[str], methods: Sequence[str]
) -> "Iterator[Variant]":
    """Yield each method's merge of the tasks."""
    chosen = {task: task_vectors[task] for task in tasks if task in task_vectors}
    yield from merging.variants(methods, chosen, tasks)


def table(settings: Settings, scores: "pd.DataFrame", references: References) -> "pd.DataFrame":
    """Return accuracy by kind of image and method, and the average over tasks."""
    wide = by_task(scores, ["part", "method"]).rename(columns={"part": "images"})
    return wide.assign(average=wide[scored_tasks(scores, settings.tasks)].mean(axis=1))


def encoders(scores: "pd.DataFrame") -> "pd.DataFrame":
    """Return the rows for test images, with a column ``images`` that says whether they are corrupted."""
    test = scores[scores["split"] == "test"]
    return test.assign(images=["clean" if part == "clean" else "corrupted" for part in test["part"]])


def answer(table: "pd.DataFrame", labels: Mapping[str, str]) -> str:
    """Say which method is best on corrupted images, and what corruption costs it."""
    clean = table[table["images"] == "clean"].set_index("method")["average"].dropna()
    corrupted = table[table["images"] != "clean"].groupby("method", sort=False)["average"].mean().dropna()
    if corrupted.empty or not set(corrupted.index) <= set(clean.index):
        return ""
    best = leaders(dict(corrupted))
    costs = listed(f"{clean[method] - corrupted[method]:.1f}" for method in best)
    return (
        f"On corrupted images, {are(labels[method] for method in best)} best of {len(corrupted)} methods with "
        f"{corrupted.max():.1f} % on average, {costs} points less than on clean ones."
    )
