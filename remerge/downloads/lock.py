"""The lock file: it lists everything a run downloaded, so that another run can download the same bytes."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError

from remerge.config.models import Config
from remerge.downloads.hub import DownloadError, Kind, matching
from remerge.downloads.records import Pin
from remerge.errors import RemergeError
from remerge.plan.downloads import LOCK, Downloads, Wanted
from remerge.run.atomic import atomic_path
from remerge.run.settings import Strict, Text
from remerge.run.strict_yaml import read_yaml

HEAD = """\
# Everything that a run downloaded, with the SHA-256 of every file. Whoever is given this file and names it by
# `downloads: FILE` in the configuration gets the same bytes, or an error that says what differs.
#
# hub          files of the Hugging Face Hub, at one commit; `revision` is the branch or tag that was asked for, if any
# missing      what could not be had from there, and why; a run that is given this file goes on without it, too
# drive        the Task Arithmetic authors' checkpoints, by their place in the Google Drive folder
# torchvision  archives of data sets from torchvision, whose release fixes their addresses and MD5
#
# Not in here: images and checkpoints that the configuration names as a `folder`; pass them on yourself.
"""

Commit = Annotated[str, Field(pattern="^[0-9a-f]{40}$")]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Files = Annotated[dict[str, Digest], Field(min_length=1)]


class Repository(Strict):
    """Files of one commit of a repository on the Hub."""

    repository: Text
    kind: Kind
    revision: Text | None = None
    commit: Commit
    files: Files


class Missing(Strict):
    """Files that could not be downloaded from the Hub."""

    repository: Text
    kind: Kind
    revision: Text | None = None
    files: list[Text]
    reason: Text


class Pickle(Strict):
    """A file on Google Drive."""

    id: Text | None = None
    size: int = Field(ge=1)
    sha256: Digest


class Lock(Strict):
    """The content of a lock file."""

    hub: list[Repository] = Field([])
    missing: list[Missing] = Field([])
    drive: dict[str, Pickle] = Field({})
    torchvision: dict[str, Files] = Field({})

    def of_files(self, wanted: Wanted) -> Pin:
        """Return the entry of one download from the Hub.

        Returns:
            The ``commit`` and the ``files`` with their SHA-256, or why the files were ``missing``.

        Raises:
            RemergeError: There is no entry, or it lacks a file.
        """
        same = (wanted.repository, wanted.kind)
        of_repository = [entry for entry in self.hub if (entry.repository, entry.kind) == same]
        reasons = []
        for entry in of_repository:
            if entry.revision == wanted.revision:
                try:
                    names = matching(wanted.repository, wanted.patterns, list(entry.files))
                except DownloadError as error:
                    reasons.append(str(error))
                    continue
                if not (gaps := _gaps(names)):
                    return {"commit": entry.commit, "files": {name: entry.files[name] for name in names}}
                reasons.append(f"{wanted.repository}: lacks {', '.join(gaps)}")
        for none in self.missing:
            if (none.repository, none.kind, none.revision, none.files) == (*same, wanted.revision, wanted.patterns):
                return {"missing": none.reason}
        if reasons:
            raise RemergeError(f"{reasons[0]} ({wanted.purpose})")
        others = sorted({entry.revision or "the newest" for entry in of_repository})
        at = f" at revision {wanted.revision}" if wanted.revision else ""
        instead = f", only {', '.join(others)}" if others else ""
        raise RemergeError(f"{wanted.repository}{at} ({wanted.purpose}) is not in it{instead}")

    def of_pickle(self, name: str) -> Pin:
        """Return the entry of one of the Task Arithmetic authors' files, such as ``ViT-B-32/MNIST/finetuned.pt``."""
        return self.drive[name].model_dump()

    def of_archives(self, task: str) -> Pin:
        """Return the SHA-256 of the archives that torchvision downloads for a task."""
        return self.torchvision[task]


def write_lock(path: str | Path, records: Iterable[str | Path]) -> None:
    """Combine records of downloads into one lock file.

    Raises:
        RemergeError: The same file of the same revision was downloaded twice and had changed in between.
    """
    contents = {str(record): json.loads(Path(record).read_text(encoding="utf-8")) for record in records}
    of_hub = {record: each for record, each in contents.items() if each["kind"] in ("model", "dataset")}
    _refuse_changes(of_hub)
    lock = Lock(
        hub=_repositories([each for each in of_hub.values() if not each["missing"]]),
        missing=[
            Missing(**_asked(each), files=each["patterns"], reason=each["missing"])
            for each in of_hub.values()
            if each["missing"]
        ],
        drive={
            name: Pickle(id=each["revision"], size=each["size"], sha256=digest)
            for each in contents.values()
            if each["kind"] == "drive"
            for name, digest in each["files"].items()
        },
        torchvision={each["task"]: each["files"] for each in contents.values() if each["kind"] == "torchvision"},
    )
    content = lock.model_dump(exclude_defaults=True)
    with atomic_path(path) as temporary:
        temporary.write_text(HEAD + yaml.safe_dump(content, sort_keys=False, width=1000), encoding="utf-8")


def _asked(record: Mapping[str, Any]) -> dict[str, Any]:
    return {"repository": record["repository"], "kind": record["kind"], "revision": record["asked"]}


def _refuse_changes(records: Mapping[str, Mapping[str, Any]]) -> None:
    """A lock file cannot say which of two contents one file of one revision had."""
    seen: dict[tuple[Any, ...], tuple[str, str]] = {}
    for path, record in records.items():
        for name, digest in record["files"].items():
            other, before = seen.setdefault((*_asked(record).values(), name), (path, digest))
            if before != digest:
                raise RemergeError(
                    f"{record['repository']}/{name} changed on the Hub between two downloads: {other} has it with the "
                    f"SHA-256 {before}, {path} with {digest}. Remove both records and run again"
                )


def _repositories(records: Sequence[Mapping[str, Any]]) -> list[Repository]:
    """One entry per revision and commit, except those whose files are all in another entry of the revision."""
    files: dict[tuple[Any, ...], dict[str, str]] = {}
    for record in records:
        files.setdefault((*_asked(record).values(), record["revision"]), {}).update(record["files"])
    kept: dict[tuple[Any, ...], dict[str, str]] = {}
    for key, own in sorted(files.items(), key=lambda item: -len(item[1])):
        if not any(own.items() <= more.items() for other, more in kept.items() if other[:-1] == key[:-1]):
            kept[key] = own
    entries = (
        Repository(repository=repository, kind=kind, revision=revision, commit=commit, files=dict(sorted(own.items())))
        for (repository, kind, revision, commit), own in kept.items()
    )
    return sorted(entries, key=lambda entry: (entry.repository, entry.kind, entry.revision or "", entry.commit))


def read_lock(path: str | Path) -> Lock:
    """Return the content of a lock file that the key `downloads` names.

    Raises:
        RemergeError: It is the file that this run writes, does not exist, or is not a lock file.
    """
    if Path(path).resolve() == LOCK.resolve():
        raise RemergeError(f"downloads: {path} is what this run writes itself; name a copy of it in another place")
    try:
        return Lock.model_validate(read_yaml(Path(path)))
    except RemergeError as error:
        raise RemergeError(f"downloads: {error}. Name the {LOCK.name} of another run, or remove the key") from error
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, each['loc']))}: {each['msg'].lower()}" for each in error.errors(include_url=False)
        ]
        raise RemergeError(
            f"downloads: {path}: no lock file of this version: {'; '.join(faults[:5])}. Take it again from the run "
            "that wrote it, or remove the key"
        ) from error


def check_lock(lock: Lock, config: Config) -> None:
    """Refuse a lock file that does not cover all downloads of a configuration.

    Raises:
        RemergeError: Something is not in the lock file; the message names every such repository and file.
    """
    if lacking := list(_lacking(lock, config)):
        raise RemergeError(
            f"downloads: {config.downloads} does not say everything that this configuration downloads:\n  "
            + "\n  ".join(dict.fromkeys(lacking))
            + f"\nTake the lock file of a run of this configuration. Or remove the key `downloads`: `snakemake {LOCK}` "
            "then downloads everything at its newest and writes a lock file of it"
        )


def _lacking(lock: Lock, config: Config) -> Iterator[str]:
    downloads = Downloads(config)
    for wanted in downloads.from_hub():
        try:
            lock.of_files(wanted)
        except RemergeError as error:
            yield str(error)
    for pool in config.pools:
        for pickle in downloads.pickles(pool).values():
            if pickle not in lock.drive:
                yield f"drive: {pickle} (pool {pool}) is not in it"
    for task in downloads.used_from("torchvision"):
        if task not in lock.torchvision:
            yield f"torchvision: {task} is not in it"


def _gaps(names: Sequence[str]) -> list[str]:
    """Missing parts of a data set, such as ``train-00003-of-00014.parquet``."""
    gaps = []
    for name in names:
        if found := re.fullmatch(r"(.*-)(\d+)-of-(\d+)(\..*)", name):
            begin, number, count, end = found.groups()
            parts = (f"{begin}{part:0{len(number)}}-of-{count}{end}" for part in range(int(count)))
            gaps += [part for part in parts if part not in names and part not in gaps]
    return gaps
