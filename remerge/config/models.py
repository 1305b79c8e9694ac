"""Models of config.yaml: every key with its type, default and meaning."""

import re
from typing import TYPE_CHECKING, Annotated, Literal, Union

from pydantic import AfterValidator, Field, model_validator

from remerge.clip.architectures import ARCHITECTURES
from remerge.config.methods import AnyMethod
from remerge.methods.parameters import Method
from remerge.methods.registry import ALGORITHMS, Kind, algorithms_of_kind
from remerge.run.settings import Grid, InputPath, Name, Positive, Share, Strict, Text
from remerge.studies.kind import load
from remerge.studies.registry import KINDS
from remerge.studies.settings import Study
from remerge.t5 import architectures as t5
from remerge.tasks.clip import CLIP_TASKS, clip_task

FINETUNED = "fine-tuning and the images that methods draw; all start from the same pre-trained encoder"
"""What the seed changes where experts are fine-tuned here."""

SMALL = ("mini", "t5-mini")
"""Architectures that are small enough to be pre-trained here."""

LORA = "fusionbench-lora"
"""The origin of experts that are LoRA adapters."""

ON_HUB = ("fusionbench", LORA, "tall-masks")
"""Origins whose experts have repositories on the Hub."""

PICKLED = ("task-vectors", "tall-masks", "tall-masks-leaked")
"""Origins whose authors published whole modules of open_clip, which keep parameters of the text side."""


class Pool(Strict):
    """A pre-trained encoder and one fine-tuned checkpoint per task, all from the same origin."""

    origin: Literal[
        "trained",
        "task-vectors",
        "tall-masks",
        "tall-masks-leaked",
        "fusionbench",
        "fusionbench-lora",
        "finetuned",
        "random",
    ] = Field(
        "trained",
        description="Where the checkpoints come from. `trained`: pre-trained and fine-tuned here. `task-vectors`: the "
        "Task Arithmetic authors' checkpoints of 2022, of eight tasks. `tall-masks`: the TALL masks authors', of "
        "twenty tasks, as corrected in December 2024, on the Hugging Face Hub. `tall-masks-leaked`: the same as first "
        "published, where DTD's expert was trained on test images; only from a `folder`. `fusionbench`: FusionBench's, "
        "of twenty tasks, on the Hub. `fusionbench-lora`: FusionBench's LoRA adapters of Flan-T5, of eight tasks of "
        "GLUE, on the Hub. `finetuned`: OpenAI's CLIP, fine-tuned here with the papers' recipe. `random`: random "
        "weights, to test the workflow.",
    )
    architecture: Literal["mini", "ViT-B-32", "ViT-B-16", "ViT-L-14", "t5-mini", "flan-t5-base", "flan-t5-large"] = (
        Field(
            "mini",
            description="The encoder. `mini` is small enough to be trained here in minutes. `t5-mini`, as small, is a "
            "T5 that reads texts in place of images, as `flan-t5-base` and `flan-t5-large` do.",
        )
    )
    seed: int = Field(
        0,
        ge=0,
        description="Seed of the order of batches and of the images that methods draw; for `random`, of all weights. "
        "Pre-training has a fixed seed: all pools of `trained` share one pre-trained encoder, as the papers' experts "
        "do. Pools that differ only in the seed also get joint tables, with means over seeds.",
    )
    folder: InputPath | None = Field(
        None,
        description="For `task-vectors`: a folder with `{architecture}/zeroshot.pt` and "
        "`{architecture}/{task}/finetuned.pt`. Default: downloaded from the authors' Google Drive. For `tall-masks` "
        "and `tall-masks-leaked`: a folder with `{architecture}/{task}Val/nonlinear_finetuned.pt`. Default for "
        "`tall-masks`: downloaded from the Hub.",
    )
    revision: Text | None = Field(
        None,
        description="For `fusionbench`, `fusionbench-lora` and `tall-masks`: the branch or tag of the experts' "
        "repositories. Default: the newest. To fix commits, use `downloads`.",
    )

    @model_validator(mode="after")
    def _of_one_origin(self) -> "Pool":
        if (self.origin == LORA) != (self.architecture in t5.FLAN):
            raise ValueError(f"origin {LORA} and architecture {' or '.join(t5.FLAN)} need each other; name both")
        if self.origin == "trained" and not self.is_small:
            raise ValueError(
                f"origin `trained` is for architecture {' or '.join(SMALL)}; add origin: task-vectors, or another"
            )
        if self.origin != "trained" and self.architecture == "t5-mini":
            raise ValueError(f"architecture {self.architecture} is only trained here; remove the origin")
        if self.origin not in ("trained", "random") and self.architecture == "mini":
            raise ValueError(f"origin {self.origin} needs an architecture: ViT-B-32, ViT-B-16 or ViT-L-14")
        if self.folder is not None and self.origin not in PICKLED:
            raise ValueError(f"`folder` is only for origin {', '.join(PICKLED)}; remove it")
        if self.folder is None and self.origin == "tall-masks-leaked":
            raise ValueError(
                "origin tall-masks-leaked is no longer offered by its authors; name the `folder` with your copy, or "
                "take origin: tall-masks, which they corrected"
            )
        if self.revision is not None and self.origin not in ON_HUB:
            raise ValueError(f"`revision` is only for origin {', '.join(ON_HUB)}; remove it")
        if self.revision is not None and re.fullmatch("[0-9a-fA-F]{40}", self.revision):
            raise ValueError(
                "`revision` is a commit, which exists in only one of the pool's repositories; name a branch or tag, or "
                "fix commits with `downloads`"
            )
        return self

    @property
    def reads(self) -> Literal["images", "texts"]:
        """What its models take as input."""
        return "texts" if self.architecture in t5.ARCHITECTURES else "images"

    @property
    def is_small(self) -> bool:
        """Whether its models can be pre-trained here."""
        return self.architecture in SMALL

    @property
    def image_size(self) -> int:
        """Side of the encoder's input images in pixels, if it reads images."""
        return ARCHITECTURES[self.architecture].image_size

    @property
    def is_downloaded(self) -> bool:
        """Whether its pre-trained model is downloaded: OpenAI's CLIP or Flan-T5, for which published scores exist."""
        return self.origin not in ("trained", "random")

    @property
    def seeded(self) -> str:
        """What another seed changes, in words."""
        return {
            "random": "all weights",
            **dict.fromkeys(("trained", "finetuned"), FINETUNED),
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
        """Number of text parameters that the authors of the checkpoints flatten along with the image encoder."""
        return ARCHITECTURES[self.architecture].text_parameters if self.origin in PICKLED else 0


def _told_apart(classes: dict[str, str] | None) -> dict[str, str] | None:
    # Equal class names have equal columns in the zero-shot head, and only the first of them can ever be predicted.
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

    folder: str = Field(min_length=1, description="The folder, absolute or relative to where snakemake runs.")
    classes: Annotated[dict[str, Text] | None, AfterValidator(_told_apart)] = Field(
        None, description="The class name of each class folder, for the prompts. Default: the folder's name."
    )
    templates: list[Annotated[str, AfterValidator(_one_blank)]] = Field(
        ["a picture of the {}.", "the {}."], min_length=1, description="Prompts; `{}` is the class name."
    )
    validation: float = Field(
        0.1, gt=0, lt=0.5, description="Share of the training images held out for validation (at most 5,000)."
    )


class ClipImages(Strict):
    """Where the images of one of the papers' tasks come from."""

    source: Literal["hub", "torchvision", "none"] | None = Field(
        None,
        description="`hub`: the Hugging Face Hub, the default for all tasks but EMNIST-digits. `torchvision`: "
        "downloaded by torchvision (SVHN, GTSRB, MNIST, EuroSAT, DTD, EMNIST-digits); EuroSAT still lies on the Hub. "
        "`none`: run without the task's images; averages then say how many tasks they cover.",
    )
    folder: Text | None = Field(
        None,
        description="A folder `{train,test}/{class}/{image}` to read instead. Class folders are named after the "
        "classes in the prompts, or by label number.",
    )
    revision: Text | None = Field(None, description="Branch, tag or commit on the Hub. Default: the newest.")
    test_images: int | None = Field(
        None,
        ge=1,
        description="Score only N random test images, drawn with a fixed seed. Tables say so, and the zero-shot check "
        "allows for the sampling error. Default: all.",
    )


class Scoring(Strict):
    """How encoders are scored."""

    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="Precision of forward passes. With `bfloat16`, on a GPU, every score file also counts, on the "
        "first images of each task, how many predictions agree with float32.",
    )
    batch_size: int = Field(256, ge=1, description="Images per forward pass; halved while memory is too small.")


class Pretraining(Strict):
    """How mini's CLIP is pre-trained, where the repository holds none that was trained in the same way."""

    steps: int = Field(500, ge=1, description="Optimiser steps.")
    batch_size: int = Field(128, ge=1, description="Images per step.")
    learning_rate: Positive = Field(0.02, description="Peak learning rate of Muon; AdamW's is a twentieth.")
    logit_scale: Positive = Field(
        8.0,
        description="Fixed factor of cosine similarities in logits. If it is small, fine-tuning moves features far "
        "past the decision boundary, and part of a task vector suffices, as with the papers' experts.",
    )


class Finetuning(Strict):
    """How experts are fine-tuned: AdamW, cosine schedule, gradient norm clipped at 1, frozen head."""

    steps: int = Field(300, ge=1, description="Optimiser steps.")
    batch_size: int = Field(32, ge=1, description="Images per step.")
    learning_rate: Positive = Field(5e-4, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(0.1, ge=0, description="AdamW's weight decay.")
    warmup: int = Field(10, ge=0, description="Steps of linear warm-up.")
    crop: Share = Field(
        1.0, description="Smallest share of an image's area that random crops keep (papers: 0.9); 1 disables cropping."
    )


class TextPretraining(Strict):
    """How `t5-mini` is pre-trained: English and numeric dates, and texts of the tasks' languages to restore."""

    steps: int = Field(1500, ge=1, description="Optimiser steps.")
    batch_size: int = Field(64, ge=1, description="Texts per step.")
    learning_rate: Positive = Field(0.02, description="Peak learning rate of Muon; AdamW's is a twentieth.")
    exposure: float = Field(
        0.02, ge=0, le=0.2, description="Share of examples that are dates in the tasks' languages with their answers."
    )


class Lora(Strict):
    """How experts that read texts are fine-tuned: LoRA on all linear layers, AdamW, cosine schedule."""

    steps: int = Field(500, ge=1, description="Optimiser steps.")
    batch_size: int = Field(64, ge=1, description="Texts per step.")
    learning_rate: Positive = Field(0.005, description="Peak learning rate of AdamW.")
    rank: int = Field(8, ge=1, description="Rank of the change of every matrix.")
    alpha: Positive = Field(16.0, description="Changes are multiplied by alpha / rank.")


class Training(Strict):
    """How checkpoints that are not downloaded are trained."""

    pretraining: Pretraining = Field(Pretraining(), description="How mini's CLIP is pre-trained.")
    finetuning: Finetuning = Field(Finetuning(), description="How experts are fine-tuned.")
    text_pretraining: TextPretraining = Field(TextPretraining(), description="How `t5-mini` is pre-trained.")
    lora: Lora = Field(Lora(), description="How experts that read texts are fine-tuned.")


class Figures(Strict):
    """What figures show in addition to the tables' numbers."""

    scalings: Grid = Field(
        [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0],
        min_length=2,
        description="Values of lambda at which the curves of test accuracy against lambda are measured.",
    )
    every: int = Field(10, ge=1, description="AdaMerging steps between two points of the curve of accuracy over steps.")
    curves: list[Name] | None = Field(
        None,
        description="Suites for which curves of accuracy over lambda and over AdaMerging's steps are measured. "
        "Default: all.",
    )
    without_curve: list[Name] = Field(
        [],
        description="Methods without a curve of accuracy over lambda, which takes as long as a row per value of "
        "`scalings`. Names that no method has are passed over.",
    )


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
    tasks: dict[Name, FolderTask] = Field({}, description="Your own tasks, by name. Built-in tasks need no entry.")
    clip_tasks: dict[Literal[CLIP_TASKS], ClipImages] = Field(  # type: ignore[valid-type]
        {}, description="Where images of the papers' tasks come from, by task. Default: the Hugging Face Hub."
    )
    downloads: Text | None = Field(
        None,
        description="A copy of another run's lock file, `results/downloads.lock.yaml`: exactly the same files are "
        "downloaded. Any other file is rejected, and so is an incomplete lock file. Default: the newest files.",
    )
    methods: dict[Name, AnyMethod] = Field(
        min_length=1,
        description="Methods by name: an algorithm and its parameters. They are the rows of the main table, in order.",
    )
    studies: dict[Name, AnyStudy] = Field(
        {}, description="Studies beyond the main table, by name: a kind, a suite, and the kind's settings."
    )
    training: Training = Field(Training(), description="How checkpoints that are not downloaded are trained.")
    scoring: Scoring = Field(Scoring(), description="How encoders are scored.")
    cross_scores: bool = Field(
        True,
        description="Whether experts are also scored on each other's tasks, for the table of experts. The number of "
        "these scores grows with the square of the number of tasks.",
    )
    device: Literal["auto", "cpu"] = Field(
        "auto",
        description="Where models run. `auto`: on a GPU if there is one or the profile asks for one; a job that was "
        "given a GPU and cannot use it fails and says why. `cpu`: always on the CPU.",
    )
    figures: Figures = Field(Figures(), description="What figures show in addition to the tables' numbers.")
    zero_shot_tolerance: Positive = Field(
        1.0,
        description="By how many points a downloaded encoder's zero-shot accuracy may differ from the published one, "
        "on any task. If it differs by more, the run stops before merging.",
    )

    def methods_of_kind(self, *kinds: Kind) -> dict[str, Method]:
        """Return the methods of some kinds, by name."""
        algorithms = algorithms_of_kind(*kinds)
        return {name: method for name, method in self.methods.items() if method.algorithm in algorithms}

    def has_curves(self, suite: str) -> bool:
        """Return whether a suite has curves of accuracy over lambda and over AdaMerging's steps."""
        return self.figures.curves is None or suite in self.figures.curves

    def looks_of(self, method: str) -> str:
        """Return the family of looks that a method belongs to in figures."""
        entry, variant = ALGORITHMS[self.methods[method].algorithm], self.methods[method].variant
        return f"{entry.looks} {variant}" if variant else entry.looks

    def source_of(self, task: str) -> str:
        """Where the images of one of the papers' tasks come from: hub, torchvision, none or folder."""
        images = self.images_of(task)
        return "folder" if images.folder else images.source or clip_task(task).sources[0]

    def images_of(self, task: str) -> ClipImages:
        """The settings of the images of one of the papers' tasks."""
        return self.clip_tasks.get(task, ClipImages())
