"""Downloads: the files of repositories that a configuration needs, their records, and their entries in a lock file."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from remerge.clip.architectures import ARCHITECTURES
from remerge.config.models import Config
from remerge.tasks.clip import CLIP_TASKS, clip_task
from remerge.tasks.glue import GLUE_TASKS, REPOSITORY, glue_task

OPENAI = "openai"
"""The name of the checkpoint with OpenAI's CLIP, both towers."""
FLAN_T5 = "flan-t5"
"""The name of the checkpoint with Flan-T5, and its tokeniser."""
TALL_MASKS = "nik-dim/tall_masks"
"""The repository of the TALL masks authors' experts, of all architectures and tasks."""
PARTS = ("train", "test")
"""The parts a data set on the Hub comes in."""
LOCK = Path("results/downloads.lock.yaml")
"""The lock file that a run writes, relative to the folder that Snakemake runs in."""


@dataclass(frozen=True)
class Wanted:
    """Files of one repository.

    Attributes:
        purpose: What they are for, for people.
        repository: Owner and name.
        kind: ``model`` or ``dataset``.
        revision: Branch, tag or commit; the newest when None.
        files: For each file wanted, the shell patterns of names that will do.
        can_lack: Whether a run goes on without them.
    """

    purpose: str
    repository: str
    kind: Literal["model", "dataset"]
    revision: str | None
    files: tuple[tuple[str, ...], ...]
    can_lack: bool = False

    @property
    def patterns(self) -> list[str]:
        """The files as :func:`remerge.downloads.hub.fetch` takes them."""
        return ["|".join(alternatives) for alternatives in self.files]


class Pins(Protocol):
    """What a given lock file says of downloads, as plain values; :class:`remerge.downloads.lock.Lock` is one."""

    def of_files(self, wanted: Wanted) -> Mapping[str, Any]:
        """Return the commit and hashes of files of the Hub, or why they were ``missing``."""

    def of_pickle(self, name: str) -> Mapping[str, Any]:
        """Return the id and hash of one of the Task Arithmetic authors' files."""

    def of_archives(self, task: str) -> Mapping[str, Any]:
        """Return the hashes of the archives that torchvision downloads for a task."""


def image_record(task: str, part: str) -> str:
    """Return the record of one part of a data set on the Hub."""
    return f"results/downloads/{task}/{part}.json"


def text_record(task: str) -> str:
    """Return the record of the texts of one of GLUE's tasks."""
    return f"results/downloads/{task}/texts.json"


def next_attempt(record: str | Path) -> int:
    """Return the number of the next or last attempt at a download.

    It is a parameter of the download and only changes, which reruns the download, while the record says that files are
    missing: failed downloads are tried again in the next run, others are not.
    """
    try:
        content = json.loads(Path(record).read_text(encoding="utf-8"))
        return int(content["attempt"]) + bool(content["missing"])
    # There is no record, or the file is none: a run sets it aside as damaged.
    except (OSError, ValueError, KeyError, TypeError):
        return 1


def _attempts() -> dict[str, int]:
    records = (image_record(task, part) for task in CLIP_TASKS for part in PARTS)
    return {record: next_attempt(record) for record in records}


@dataclass(frozen=True)
class Downloads:
    """The downloads of a configuration.

    Attributes:
        config: The configuration.
        pins: What the lock file that the configuration names says, if it names one.
        attempts: Which attempt at each part of a data set is due, by its record; read before any job starts, as
            Snakemake removes a record before it is made again.
    """

    config: Config
    pins: Pins | None = None
    attempts: Mapping[str, int] = field(default_factory=_attempts)

    def papers(self) -> list[str]:
        """Return the papers' tasks that some suite uses."""
        return self._used(CLIP_TASKS)

    def glue(self) -> list[str]:
        """Return GLUE's tasks that some suite uses."""
        return self._used(GLUE_TASKS)

    def _used(self, tasks: Iterable[str]) -> list[str]:
        return [task for task in tasks if any(task in suite for suite in self.config.suites.values())]

    def tasks_from(self, source: str) -> list[str]:
        """Return the papers' tasks, used or not, whose images come from a source.

        Args:
            source: ``hub``, ``torchvision``, ``folder`` or ``none``.
        """
        return [task for task in CLIP_TASKS if self.config.source_of(task) == source]

    def used_from(self, source: str) -> list[str]:
        """Return the papers' tasks that some suite uses and whose images come from a source."""
        return [task for task in self.papers() if self.config.source_of(task) == source]

    def checkpoints(self, pool: str) -> list[str]:
        """Return the checkpoints that a pool takes from the Hub: pre-trained, and the tasks with an expert there."""
        described = self.config.pools[pool]
        if not described.is_downloaded:
            return []
        if described.reads == "texts":
            return [FLAN_T5, *self.glue()]
        experts = described.origin in ("fusionbench", "tall-masks") and described.folder is None
        return [OPENAI, *(self.papers() if experts else [])]

    def checkpoint(self, pool: str, checkpoint: str) -> Wanted:
        """Return what one of a pool's checkpoints on the Hub consists of."""
        if self.config.pools[pool].reads == "texts":
            return self._flan_t5(pool, checkpoint)
        described = ARCHITECTURES[self.config.pools[pool].architecture]
        if checkpoint == OPENAI:
            # The branch or tag of a pool is the experts'; OpenAI's weights lie elsewhere and have no such branch.
            files: tuple[tuple[str, ...], ...] = (("open_clip_model.safetensors",),)
            return Wanted(f"pool {pool}, pre-trained", described.open_clip, "model", None, files)
        origin, revision = self.config.pools[pool].origin, self.config.pools[pool].revision
        name = clip_task(checkpoint).experts[origin]
        if origin == "tall-masks":
            files = ((f"single_task/{_tall_masks_name(described.name, name)}",),)
            return Wanted(f"pool {pool}, {checkpoint}", TALL_MASKS, "model", revision, files)
        files = (("config.json",), ("model.safetensors", "pytorch_model.bin"))
        return Wanted(f"pool {pool}, {checkpoint}", f"tanganke/{described.hub}_{name}", "model", revision, files)

    def _flan_t5(self, pool: str, checkpoint: str) -> Wanted:
        architecture, revision = self.config.pools[pool].architecture, self.config.pools[pool].revision
        if checkpoint == FLAN_T5:
            files = (("config.json",), ("model.safetensors",), ("tokenizer.json",))
            return Wanted(f"pool {pool}, pre-trained", f"google/{architecture}", "model", None, files)
        adapter = (("adapter_config.json",), ("adapter_model.safetensors",))
        repository = f"tanganke/{architecture}_glue-{checkpoint}_lora-16"
        return Wanted(f"pool {pool}, {checkpoint}", repository, "model", revision, adapter)

    def texts(self, task: str) -> Wanted:
        """Return what the texts of one of GLUE's tasks consist of."""
        files = tuple((pattern,) for pattern in glue_task(task).files.values())
        return Wanted("texts of GLUE", REPOSITORY, "dataset", None, files)

    def images(self, task: str, part: str) -> Wanted:
        """Return what one part of a task's data set on the Hub consists of."""
        described = clip_task(task)
        revision = self.config.images_of(task).revision
        return Wanted(
            f"images of {task}", described.repository, "dataset", revision, ((described.files[part],),), can_lack=True
        )

    def from_hub(self) -> Iterator[Wanted]:
        """Yield every download from the Hub, one for each record."""
        for pool in self.config.pools:
            for name in self.checkpoints(pool):
                yield self.checkpoint(pool, name)
        for task in self.used_from("hub"):
            for part in PARTS:
                yield self.images(task, part)
        yield from map(self.texts, self.glue())

    def repositories(self) -> list[Wanted]:
        """Return what a configuration takes from the Hub, one entry for each repository and revision."""
        entries: dict[tuple[str, str, str | None], Wanted] = {}
        for each in self.from_hub():
            first = entries.setdefault((each.repository, each.kind, each.revision), each)
            files = tuple(dict.fromkeys((*first.files, *each.files)))
            entries[each.repository, each.kind, each.revision] = Wanted(
                first.purpose, each.repository, each.kind, each.revision, files, first.can_lack
            )
        return list(entries.values())

    def pickles(self, pool: str) -> dict[str, str]:
        """Return the checkpoints that a pool takes from the Task Arithmetic authors' Drive, and their files' names."""
        described = self.config.pools[pool]
        if described.origin != "task-vectors" or described.folder is not None:
            return {}
        return {name: _pickle_name(described.architecture, name) for name in ("pretrained", *self.papers())}

    def pickle(self, pool: str, checkpoint: str) -> str | list[str]:
        """Return one of the authors' pickles in the folder that the configuration names, if it does."""
        described = self.config.pools[pool]
        if described.folder is None:
            return []
        if described.origin == "task-vectors":
            return f"{described.folder}/{_pickle_name(described.architecture, checkpoint)}"
        name = clip_task(checkpoint).experts[described.origin]
        return f"{described.folder}/{_tall_masks_name(described.architecture, name)}"

    def pickle_record(self, pool: str, checkpoint: str) -> str | list[str]:
        """Return the record of one of the authors' pickles, if it is downloaded."""
        described = self.config.pools[pool]
        if described.folder is not None:
            return []
        if described.origin == "tall-masks":
            return f"results/{pool}/downloads/{checkpoint}.json"
        return _pickle_record(_pickle_name(described.architecture, checkpoint))

    def records(self) -> list[str]:
        """Return the records of everything that is downloaded for any table or figure."""
        checkpoints = [
            f"results/{pool}/downloads/{checkpoint}.json"
            for pool in self.config.pools
            for checkpoint in self.checkpoints(pool)
        ]
        # Several pools may need the same.
        pickles = {_pickle_record(name) for pool in self.config.pools for name in self.pickles(pool).values()}
        images = [image_record(task, part) for task in self.used_from("hub") for part in PARTS]
        archives = [f"results/downloads/{task}/torchvision.json" for task in self.used_from("torchvision")]
        texts = [text_record(task) for task in self.glue()]
        return checkpoints + sorted(pickles) + images + archives + texts

    def lock(self) -> list[str]:
        """Return the lock file that a run writes, if it downloads anything."""
        return [str(LOCK)] if self.records() else []

    def checkpoint_pin(self, pool: str, checkpoint: str) -> Mapping[str, Any] | None:
        """Return what the given lock file, if there is one, says of a checkpoint on the Hub."""
        return self.pins.of_files(self.checkpoint(pool, checkpoint)) if self.pins else None

    def texts_pin(self, task: str) -> Mapping[str, Any] | None:
        """Return what the given lock file, if there is one, says of the texts of one of GLUE's tasks."""
        return self.pins.of_files(self.texts(task)) if self.pins else None

    def images_pin(self, task: str, part: str) -> Mapping[str, Any] | None:
        """Return what the given lock file, if there is one, says of a part of a data set on the Hub."""
        return self.pins.of_files(self.images(task, part)) if self.pins else None

    def pickle_pin(self, architecture: str, file: str) -> Mapping[str, Any] | None:
        """Return what the given lock file, if there is one, says of one of the Task Arithmetic authors' files."""
        return self.pins.of_pickle(f"{architecture}/{file}.pt") if self.pins else None

    def archives_pin(self, task: str) -> Mapping[str, Any] | None:
        """Return what the given lock file, if there is one, says of the archives that torchvision downloads."""
        return self.pins.of_archives(task) if self.pins else None

    def attempt(self, task: str, part: str) -> int:
        """Return which attempt at a part of a data set is made.

        What the given lock file says to be missing is not tried again.
        """
        if "missing" in (self.images_pin(task, part) or {}):
            return 1
        return self.attempts[image_record(task, part)]


def _pickle_name(architecture: str, checkpoint: str) -> str:
    """Where a checkpoint lies in the Task Arithmetic authors' folder: ``ViT-B-32/MNIST/finetuned.pt``."""
    return f"{architecture}/{'zeroshot' if checkpoint == 'pretrained' else f'{checkpoint}/finetuned'}.pt"


def _tall_masks_name(architecture: str, task: str) -> str:
    """Where an expert lies among the TALL masks authors': ``ViT-B-32/MNISTVal/nonlinear_finetuned.pt``."""
    return f"{architecture}/{task}Val/nonlinear_finetuned.pt"


def _pickle_record(name: str) -> str:
    return f"results/downloads/task-vectors/{name.removesuffix('.pt')}.json"
