"""Records of downloads: which files, with their hashes. Nothing is copied out of the Hub's cache.

A record is a JSON file. Its ``kind`` is that of a repository on the Hub, ``drive`` or ``torchvision``; ``revision`` is
the commit, the id on Google Drive, or torchvision's version.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from remerge.downloads.hub import DownloadError, HubFiles, Kind, WrongContentError, fetch
from remerge.run.atomic import atomic_path

# What a lock file says of one download, as :class:`remerge.downloads.lock.Lock` returns it.
Pin = Mapping[str, Any]


def record(
    path: str | Path,
    repository: str,
    patterns: Sequence[str],
    *,
    kind: Kind,
    revision: str | None,
    pin: Pin | None = None,
    may_be_missing: bool = False,
    attempt: int = 1,
) -> None:
    """Download files from the Hub and write their commit and hashes to a JSON file.

    Args:
        path: The JSON file.
        repository: Owner and name on the Hub.
        patterns: Shell patterns of the files wanted.
        kind: ``model`` or ``dataset``.
        revision: Branch, tag or commit; the newest when None.
        pin: The required ``commit`` and ``files`` with their SHA-256, or why they were ``missing``.
        may_be_missing: Whether files that are permanently unavailable are recorded as missing, with the reason.
        attempt: Number of the attempt (:func:`remerge.plan.downloads.next_attempt`).

    Raises:
        DownloadError: The files are unavailable, and ``may_be_missing`` is false or trying again may help.
        WrongContentError: They differ from the pin; the message names both hashes.
    """
    content: dict[str, object] = {
        "repository": repository,
        "kind": kind,
        "asked": revision,
        "patterns": list(patterns),
        "revision": revision,
        "files": {},
        "missing": "",
        "attempt": attempt,
    }
    try:
        if pin is None:
            fetched = fetch(repository, patterns, kind=kind, revision=revision)
        elif "missing" in pin:
            raise DownloadError(pin["missing"], permanent=True)
        else:
            fetched = fetch(repository, list(pin["files"]), kind=kind, revision=pin["commit"], expected=pin["files"])
        content |= {"revision": fetched.revision, "files": dict(sorted(fetched.sha256.items()))}
    except WrongContentError as error:
        raise against(error, pin) from error
    except DownloadError as error:
        # The run that wrote the lock file had these files; without them, results would differ.
        if not (may_be_missing and error.permanent) or (pin is not None and "missing" not in pin):
            raise
        content["missing"] = str(error)
    write_record(path, content)


def recorded(path: str | Path) -> HubFiles:
    """Return the exact files of a record, from the Hub's cache, downloading them again if they no longer exist.

    Raises:
        DownloadError: They cannot be downloaded.
    """
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    return fetch(
        content["repository"],
        sorted(content["files"]),
        kind=content["kind"],
        revision=content["revision"],
        expected=content["files"],
    )


def missing(path: str | Path) -> str:
    """Return why a record's files are missing; empty if they are not."""
    return str(json.loads(Path(path).read_text(encoding="utf-8"))["missing"])


def against(error: WrongContentError, pin: Pin | None) -> WrongContentError:
    """Add to an error where the expected hash comes from and what to do, if that is a lock file."""
    if pin is None:
        return error
    return WrongContentError(
        f"{error}. Expected is what the lock file says that `downloads` names; if nothing changes the file on its way, "
        "take another lock file, or remove the key",
        permanent=error.permanent,
    )


def write_record(path: str | Path, content: Mapping[str, object]) -> None:
    """Write a record: ``kind``, ``repository``, ``revision``, ``files`` by name, and why any are ``missing``."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
