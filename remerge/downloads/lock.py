"""The lock file of a run: which commit of every repository was downloaded, and the hashes of its files."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from remerge.errors import RemergeError
from remerge.files import atomic_path

# What another run needs of a repository: its commit, and the SHA-256 of files by name.
Pin = Mapping[str, Any]

HEAD = """\
# What was downloaded from the Hugging Face Hub: commits, and the SHA-256 of every file.
# Name this file by `downloads` in config.yaml to get the same again.
"""


def write_lock(path: str | Path, records: Iterable[str | Path]) -> None:
    """Write what records of downloads tell to one lock file; what could not be had is left out.

    Raises:
        RemergeError: Two records are of different commits of one repository.
    """
    locked: dict[str, dict[str, Any]] = {}
    for record in records:
        told = yaml.safe_load(Path(record).read_text(encoding="utf-8"))
        if told["missing"]:
            continue
        own = {"kind": told["kind"], "commit": told["revision"], "files": {}}
        pin = locked.setdefault(told["repository"], own)
        if (pin["kind"], pin["commit"]) != (told["kind"], told["revision"]):
            raise RemergeError(
                f"{record}: {told['repository']} at {told['revision']}, while another record has it at "
                f"{pin['commit']}: it changed in between. Remove the older record and run again"
            )
        pin["files"] |= told["files"]
    with atomic_path(path) as temporary:
        temporary.write_text(HEAD + yaml.safe_dump(locked), encoding="utf-8")


def read_pins(path: str | Path) -> dict[str, Pin]:
    """Return what a lock file says of each repository: its ``commit``, and its ``files`` with their SHA-256.

    Raises:
        RemergeError: There is no such file, or it is no lock file; the message names the entry.
    """
    try:
        locked = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RemergeError(
            f"downloads: {path} cannot be read: {error}. Name the downloads.lock.yaml of another run, or remove the key"
        ) from error
    if not isinstance(locked, dict):
        raise RemergeError(f"downloads: {path}: no lock file: it must list repositories by name")
    for repository, pin in locked.items():
        if not _is_pin(pin):
            raise RemergeError(
                f"downloads: {path}: {repository}: needs `commit`, 40 hexadecimal digits, and `files`, the SHA-256 of "
                "each; take the file again from the run that wrote it"
            )
    return locked


def _is_pin(pin: object) -> bool:
    return (
        isinstance(pin, dict)
        and re.fullmatch("[0-9a-f]{40}", str(pin.get("commit"))) is not None
        and isinstance(pin.get("files"), dict)
        and all(re.fullmatch("[0-9a-f]{64}", str(digest)) for digest in pin["files"].values())
    )


def revision_of(pin: Pin | None, revision: str | None) -> str | None:
    """Return the revision to download: the pinned commit, or what is configured where nothing is pinned."""
    return pin["commit"] if pin else revision


def check_record(path: str | Path, pin: Pin | None) -> None:
    """Refuse a download whose files are not those of the lock file.

    Raises:
        RemergeError: A file's hash differs; the message names it.
    """
    if pin is None:
        return
    told = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    for name, digest in told["files"].items():
        locked = pin["files"].get(name, digest)
        if digest != locked:
            raise RemergeError(
                f"{told['repository']}/{name} at {told['revision']}: has the SHA-256 {digest}, the lock file that "
                f"`downloads` names says {locked}: not the same file. Take another lock file, or remove the key"
            )
