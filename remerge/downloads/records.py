"""Records of downloads: which files of which commit, with their hashes. Nothing is copied out of the Hub's cache."""

import json
from collections.abc import Sequence
from pathlib import Path

from remerge.downloads.hub import DownloadError, HubFiles, Kind, fetch
from remerge.files import atomic_path


def record(
    path: str | Path,
    repository: str,
    patterns: Sequence[str],
    *,
    kind: Kind,
    revision: str | None,
    may_be_missing: bool = False,
    attempt: int = 1,
) -> None:
    """Download files and write what they are to a JSON file.

    Args:
        path: The JSON file.
        repository: Owner and name on the Hub.
        patterns: Shell patterns of the files wanted.
        kind: ``model`` or ``dataset``.
        revision: Branch, tag or commit; the newest when None.
        may_be_missing: Whether files that cannot be had, now or later, are recorded as missing, with the reason.
        attempt: How often this has been tried (:mod:`remerge.downloads.attempts`).

    Raises:
        DownloadError: They cannot be had, and ``may_be_missing`` is false, or trying again may help.
    """
    told: dict[str, object] = {
        "repository": repository,
        "kind": kind,
        "revision": revision,
        "files": {},
        "missing": "",
        "attempt": attempt,
    }
    try:
        fetched = fetch(repository, patterns, kind=kind, revision=revision)
        told |= {"revision": fetched.revision, "files": dict(sorted(fetched.sha256.items()))}
    except DownloadError as error:
        if not (may_be_missing and error.permanent):
            raise
        told["missing"] = str(error)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def recorded(path: str | Path) -> HubFiles:
    """Return the very files of a record, from the Hub's cache, or downloaded again if they are no longer there.

    Raises:
        DownloadError: They cannot be had.
    """
    told = json.loads(Path(path).read_text(encoding="utf-8"))
    return fetch(
        told["repository"],
        sorted(told["files"]),
        kind=told["kind"],
        revision=told["revision"],
        expected=told["files"],
    )


def missing(path: str | Path) -> str:
    """Return why a record's files could not be had; empty if they could."""
    return str(json.loads(Path(path).read_text(encoding="utf-8"))["missing"])
