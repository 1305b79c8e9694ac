"""What config.yaml may say: every key with its type, default and meaning."""

import re
from typing import TYPE_CHECKING, Annotated, Literal, Union

from pydantic import AfterValidator, Field, model_validator

from remerge.clip.architectures import ARCHITECTURES
from remerge.methods import load as load_method
from remerge.methods.parameters import InputPath, Method, Positive, Text, parameters_in
from remerge.methods.registry import ALGORITHMS, Kind, algorithms_of_kind
from remerge.run.settings import Grid, Name, Share, Strict
from remerge.studies.kind import load
from remerge.studies.registry import KINDS
from remerge.studies.settings import Study
from remerge.tasks.clip import CLIP_TASKS


class Pool(Strict):
    """A pre-trained encoder and one fine-tuned checkpoint per task, all of one origin."""

    origin: Literal["trained", "task-vectors", "fusionbench", "finetuned", "random"] = Field(
        "trained",
        description="Where the checkpoints come from. `trained`: pre-trained and fine-tuned here. `task-vectors`: the "
        "Task Arithmetic authors' of 2022. `fusionbench`: FusionBench's on the Hugging Face Hub. `finetuned`: OpenAI's "
        "CLIP, fine-tuned here by the papers' recipe. `random`: random weights, to try the machinery.",
    )
    architecture: Literal["mini", "ViT-B-32", "ViT-B-16", "ViT-L-14"] = Field(
        "mini", description="The encoder. `mini` is small enough to be trained here in minutes."
    )
    seed: int = Field(
        0,
        ge=0,
        description="Seeds initial weights, the order of batches, and AdaMerging's draws. Pools that differ in nothing "
        "else are also judged together, in tables over seeds.",
    )
    folder: InputPath | None = Field(
        None,
        description="For `task-vectors`: a folder with `{architecture}/zeroshot.pt` and "
        "`{architecture}/{task}/finetuned.pt`. Default: downloaded from the authors' Google Drive.",
    )
    revision: Text | None = Field(
        None,
        description="For `fusionbench`: the branch or tag of every expert's repository. Default: the newest. Commits "
        "stand in the file that `downloads` names.",
    )

    @model_validator(mode="after")
    def _of_one_origin(self) -> "Pool":
        if self.origin == "trained" and self.architecture != "mini":
            raise ValueError("origin `trained` is for architecture mini; add origin: task-vectors, or another")
        if self.origin not in ("trained", "random") and self.architecture == "mini":
            raise ValueError(f"origin {self.origin} needs an architecture: ViT-B-32, ViT-B-16 or ViT-L-14")
        if self.folder is not None and self.origin != "task-vectors":
            raise ValueError("`folder` is for origin task-vectors alone; remove it")
        if self.revision is not None and self.origin != "fusionbench":
            raise ValueError("`revision` is for origin fusionbench alone; remove it")
        if self.revision is not None and re.fullmatch("[0-9a-fA-F]{40}", self.revision):
            raise ValueError(
                "`revision` is a commit, which only one of a pool's repositories has; name a branch or tag, or give "
                "commits by `downloads`"
            )
        return self

    @property
    def image_size(self) -> int:
        """Side of the encoder's input images in pixels."""
        return ARCHITECTURES[self.architecture].image_size

    @property
    def is_published(self) -> bool:
        """Whether others have scored the same checkpoints."""
        return self.origin not in ("trained", "random")

    @property
    def seeded(self) -> str:
        """What another seed changes, in words."""
        return {
            "trained": "pre-training, fine-tuning and the images that methods draw",
            "finetuned": "fine-tuning and the images that methods draw; all start from the same pre-trained encoder",
            "random": "all weights",
        }.get(self.origin, "the images that methods draw and nothing else; the checkpoints are the same")

    @property
    def is_trained(self) -> bool:
        """Whether its experts are fine-tuned here."""
        return self.origin in ("trained", "finetuned")

    @property
    def holds_out(self) -> bool:
        """Whether no expert was trained on the validation images used here."""
        return self.origin in ("trained", "finetuned", "random")

    @property
    def frozen_entries(self) -> int:
        """Parameters beside the image encoder that the authors of the checkpoints flatten along with it."""
        return ARCHITECTURES[self.architecture].text_parameters if self.origin == "task-vectors" else 0


def _told_apart(classes: dict[str, str] | None) -> dict[str, str] | None:
    # Equal class names have equal columns in the zero-shot head, of which only the first can ever win.
    if classes and len(set(classes.values())) != len(classes):
        raise ValueError("two class folders have the same class name")
    return classes


def _one_blank(template: str) -> str:
    if template.count("{}") != 1:
        raise ValueError("a template needs exactly one {} for the class name")
    if "{" in template.replace("{}", "") or "}" in template.replace("{}", ""):
        raise ValueError("a template may have no braces but its one {}")
    return template


class FolderTask(Strict):
    """A task of your own: images under `folder/{train,test}/{class}/{image}`."""

    folder: str = Field(min_length=1, description="The folder, relative to where snakemake runs, or absolute.")
    classes: Annotated[dict[str, Text] | None, AfterValidator(_told_apart)] = Field(
        None, description="Class name per class folder, for the prompts. Default: the folders' names."
    )
    templates: list[Annotated[str, AfterValidator(_one_blank)]] = Field(
        ["a picture of the {}.", "the {}."], min_length=1, description="Prompts; `{}` is the class name."
    )
    validation: float = Field(
        0.1, gt=0, lt=0.5, description="Share of the training images held out for validation (at most 5,000)."
    )


class ClipImages(Strict):
    """Where the images of one of the papers' tasks come from."""

    source: Literal["hub", "torchvision", "none"] = Field(
        "hub",
        description="`hub`: the Hugging Face Hub. `torchvision`: downloaded by torchvision (SVHN, GTSRB, MNIST, "
        "EuroSAT, DTD); its EuroSAT lies on the Hub, too. `none`: go on without the task's images; averages then say "
        "over how many tasks they are.",
    )
    folder: Text | None = Field(
        None,
        description="A folder `{train,test}/{class}/{image}` to read instead; class folders are named as the prompts "
        "name the classes, or by their label number.",
    )
    revision: Text | None = Field(None, description="The Hub's branch, tag or commit. Default: the newest.")
    test_images: int | None = Field(
        None,
        ge=1,
        description="Score only the first N of a seeded random draw of test images; tables say so, and the zero-shot "
        "check allows for it. Default: all.",
    )


class Scoring(Strict):
    """How encoders are scored."""

    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="What forward passes are computed in. With `bfloat16`, on a GPU, every score file also counts on "
        "how many of the first images of each task float32 predicts the same.",
    )
    batch_size: int = Field(256, ge=1, description="Images per forward pass; halved as often as memory demands.")


ALGORITHM_MODELS = {name: parameters_in(load_method(name)) for name in ALGORITHMS}
"""The model of every algorithm's parameters."""

if TYPE_CHECKING:
    AnyMethod = Method
else:
    AnyMethod = Annotated[Union[tuple(ALGORITHM_MODELS.values())], Field(discriminator="algorithm")]  # noqa: UP007


class Pretraining(Strict):
    """How a pool's CLIP is pre-trained."""

    steps: int = Field(420, ge=1, description="Optimiser steps.")
    batch_size: int = Field(128, ge=1, description="Images per step.")
    learning_rate: Positive = Field(0.02, description="Peak learning rate of Muon; AdamW's is a twentieth.")


class Finetuning(Strict):
    """How experts are fine-tuned: AdamW, cosine schedule, gradient norm clipped at 1, head frozen."""

    steps: int = Field(130, ge=1, description="Optimiser steps.")
    batch_size: int = Field(128, ge=1, description="Images per step.")
    learning_rate: Positive = Field(1e-3, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(0.1, ge=0, description="AdamW's weight decay.")
    warmup: int = Field(10, ge=0, description="Steps of linear warm-up.")
    crop: Share = Field(
        1.0, description="Smallest share of an image's area that random crops keep (the papers: 0.9); 1 crops nothing."
    )


class Training(Strict):
    """How the workflow trains the checkpoints it does not download."""

    pretraining: Pretraining = Field(Pretraining(), description="How a pool's CLIP is pre-trained.")
    finetuning: Finetuning = Field(Finetuning(), description="How experts are fine-tuned.")


class Figures(Strict):
    """What figures show beyond the tables' numbers."""

    scalings: Grid = Field(
        [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0],
        min_length=2,
        description="Values of lambda on the curves of accuracy against lambda, on test images.",
    )
    every: int = Field(10, ge=1, description="AdaMerging steps between two points of accuracy against step.")


if TYPE_CHECKING:
    AnyStudy = Study
else:
    AnyStudy = Annotated[Union[tuple(load(kind).Settings for kind in KINDS)], Field(discriminator="kind")]  # noqa: UP007


class Config(Strict):
    """The whole configuration."""

    pools: dict[Name, Pool] = Field(
        min_length=1,
        description="Pools by name: pre-trained encoders with one fine-tuned checkpoint per task.",
    )
    suites: dict[Name, list[str]] = Field(
        min_length=1,
        description="Suites by name: lists of tasks whose checkpoints are merged into one encoder.",
    )
    tasks: dict[Name, FolderTask] = Field({}, description="Tasks of your own, by name; built-in ones need no entry.")
    clip_tasks: dict[Literal[CLIP_TASKS], ClipImages] = Field(  # type: ignore[valid-type]
        {}, description="Where images of the papers' tasks come from, by task. Default: the Hugging Face Hub."
    )
    downloads: Text | None = Field(
        None,
        description="A copy of the lock file, `results/downloads.lock.yaml`, of another run: the same files are "
        "downloaded, others are refused, and so is a lock file that leaves anything open. Default: the newest.",
    )
    methods: dict[Name, AnyMethod] = Field(
        min_length=1,
        description="Methods by name: an algorithm and its parameters. Rows of the main table, in order.",
    )
    studies: dict[Name, AnyStudy] = Field(
        {}, description="Studies by name, beyond the main table: a kind, the suite it is about, and its settings."
    )
    training: Training = Field(Training(), description="How the workflow trains the checkpoints it does not download.")
    scoring: Scoring = Field(Scoring(), description="How encoders are scored.")
    device: Literal["auto", "cpu"] = Field(
        "auto",
        description="Where models run. `auto`: on a GPU where there is one or the profile asks for one, and a job that "
        "was given one and cannot use it stops and says why. `cpu`: on the CPU, whatever there is.",
    )
    figures: Figures = Field(Figures(), description="What figures show beyond the tables' numbers.")
    zero_shot_tolerance: Positive = Field(
        1.0,
        description="Points by which a downloaded encoder's zero-shot accuracy may differ, on any task, from the "
        "published. Beyond that nothing is merged.",
    )

    def methods_of_kind(self, *kinds: Kind) -> dict[str, Method]:
        """Return the methods of some kinds, by name."""
        algorithms = algorithms_of_kind(*kinds)
        return {name: method for name, method in self.methods.items() if method.algorithm in algorithms}

    def looks_of(self, method: str) -> str:
        """Return the family of looks that a method belongs to in figures."""
        entry, variant = ALGORITHMS[self.methods[method].algorithm], self.methods[method].variant
        return f"{entry.looks} {variant}" if variant else entry.looks

    def source_of(self, task: str) -> str:
        """Where the images of one of the papers' tasks come from: hub, torchvision, none or folder."""
        images = self.images_of(task)
        return "folder" if images.folder else images.source

    def images_of(self, task: str) -> ClipImages:
        """What is said of the images of one of the papers' tasks."""
        return self.clip_tasks.get(task, ClipImages())
