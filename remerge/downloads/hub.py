"""Files from the Hugging Face Hub, at one commit, checked against the hashes that the Hub tells.

``huggingface_hub`` does the transfers and its own variables hold: ``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HUB_OFFLINE``,
``HF_HUB_CACHE``, ``HF_HUB_DOWNLOAD_TIMEOUT``. It resumes broken transfers and waits when the Hub is busy; what it does
not do is here: one commit for all files, hashes, and failures in words. The cache belongs to other programs too:
nothing in it is removed or replaced here.
"""

import errno
import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Literal

from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from remerge.errors import RemergeError

Kind = Literal["model", "dataset"]

ATTEMPTS = 4
# Seconds; the Hub's own library waits as well, and heeds what a busy server asks for.
WAIT = wait_exponential_jitter(multiplier=2, max=60)
NAMES_SHOWN = 12
HASH = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
# Files that are wrong in the cache are kept here as they should be; relative to the folder that Snakemake runs in.
OWN_CACHE = Path(".snakemake/remerge/hub")


class DownloadError(RemergeError):
    """Files that cannot be had.

    Attributes:
        permanent: Whether asking again, without changing anything, is in vain.
    """

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent


class WrongContentError(DownloadError):
    """A file whose content is not what the Hub or a record tells."""


@dataclass(frozen=True)
class HubFiles:
    """Files of one commit.

    Attributes:
        repository: Owner and name.
        revision: The commit, 40 hexadecimal digits.
        paths: Where they lie, by name.
        sha256: Their hashes, by name.
    """

    repository: str
    revision: str
    paths: dict[str, Path]
    sha256: dict[str, str]


def fetch(
    repository: str,
    patterns: Sequence[str],
    *,
    kind: Kind = "model",
    revision: str | None = None,
    expected: Mapping[str, str] | None = None,
) -> HubFiles:
    """Return files of a repository, downloaded to the Hub's cache unless they are there.

    Args:
        repository: Owner and name.
        patterns: Shell patterns of the files' names; each must match one. ``a|b`` takes what ``b`` matches only where
            nothing matches ``a``.
        kind: ``model`` or ``dataset``.
        revision: Branch, tag or commit; the newest when None.
        expected: SHA-256 of files by name, where known; the Hub is asked for others.

    Raises:
        DownloadError: They cannot be had; the message tells why and what to do.
    """
    expected = expected or {}
    try:
        for attempt in Retrying(
            retry=retry_if_exception(_may_pass), stop=stop_after_attempt(ATTEMPTS), wait=WAIT, reraise=True
        ):
            with attempt:
                if constants.HF_HUB_OFFLINE:
                    return _cached(repository, patterns, kind, revision, expected)
                names_only = not any(set(pattern) & set("*?[|") for pattern in patterns)
                if revision and HASH.fullmatch(revision) and names_only:
                    # Files of one commit never change: what is in the cache needs no network.
                    with suppress(DownloadError, LocalEntryNotFoundError):
                        return _cached(repository, patterns, kind, revision, expected)
                return _downloaded(repository, patterns, kind, revision, expected)
    except DownloadError:
        raise
    except (HfHubHTTPError, HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        raise _explained(error, repository, patterns, kind, revision) from error
    except RuntimeError as error:
        if not _of_transfer(error):
            raise
        raise _explained(error, repository, patterns, kind, revision) from error
    raise AssertionError("tenacity either returns or raises")


def _downloaded(
    repository: str, patterns: Sequence[str], kind: Kind, revision: str | None, expected: Mapping[str, str]
) -> HubFiles:
    hub = HfApi()
    info = (hub.model_info if kind == "model" else hub.dataset_info)(
        repository, revision=revision, files_metadata=True, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT
    )
    if not info.sha:
        raise DownloadError(f"{repository}: the Hub does not tell the commit of {revision or 'main'}", permanent=True)
    listed = {entry.rfilename: entry for entry in info.siblings or ()}
    names = _matching(repository, patterns, list(listed))
    paths, sha256 = {}, {}
    for name in names:
        lfs = listed[name].lfs
        told = expected.get(name) or (lfs.sha256 if lfs else listed[name].blob_id)
        paths[name], sha256[name] = _file(repository, name, kind, info.sha, told)
    return HubFiles(repository, info.sha, paths, sha256)


def _file(repository: str, name: str, kind: Kind, commit: str, expected: str | None) -> tuple[Path, str]:
    """Download one file; what is wrong in the cache is left there, and downloaded to a cache of the project's own."""
    path = Path(hf_hub_download(repository, name, repo_type=kind, revision=commit))
    with suppress(WrongContentError):
        return path, _checked(path, f"{repository}/{name}", expected)
    path = Path(hf_hub_download(repository, name, repo_type=kind, revision=commit, cache_dir=OWN_CACHE))
    with suppress(WrongContentError):
        return path, _checked(path, f"{repository}/{name}", expected)
    path = Path(
        hf_hub_download(repository, name, repo_type=kind, revision=commit, cache_dir=OWN_CACHE, force_download=True)
    )
    return path, _checked(path, f"{repository}/{name}", expected)


def _cached(
    repository: str, patterns: Sequence[str], kind: Kind, revision: str | None, expected: Mapping[str, str]
) -> HubFiles:
    """The same without network: what an earlier download left in the cache."""
    snapshot = _snapshot(repository, kind, revision)
    found = [path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()]
    try:
        names = _matching(repository, patterns, sorted(found))
    except DownloadError as error:
        raise _offline(repository, patterns) from error
    paths, sha256 = {}, {}
    for name in names:
        paths[name] = snapshot / name
        told = expected.get(name) or _etag(paths[name])
        own = _snapshots(OWN_CACHE, repository, kind) / snapshot.name / name
        try:
            sha256[name] = _checked(paths[name], f"{repository}/{name}", told)
        except WrongContentError:
            if not own.is_file():
                raise
            paths[name] = own
            sha256[name] = _checked(own, f"{repository}/{name}", told)
    return HubFiles(repository, snapshot.name, paths, sha256)


def _snapshot(repository: str, kind: Kind, revision: str | None) -> Path:
    try:
        return Path(snapshot_download(repository, repo_type=kind, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        # Downloads of a commit leave no note in the cache of which commit is the newest.
        kept = sorted(_snapshots(Path(constants.HF_HUB_CACHE), repository, kind).glob("*"))
        if revision is not None or not kept:
            raise
        if len(kept) > 1:
            raise DownloadError(
                f"{repository}: HF_HUB_OFFLINE is set and the cache {constants.HF_HUB_CACHE} has several commits, none "
                f"known as the newest: {', '.join(path.name for path in kept)}. Name one as `revision` in the "
                "configuration",
                permanent=False,
            ) from None
        return kept[0]


def _snapshots(cache: Path, repository: str, kind: Kind) -> Path:
    return cache / repo_folder_name(repo_id=repository, repo_type=kind) / "snapshots"


def _etag(path: Path) -> str | None:
    """The hash that the Hub told of a cached file: its link's target in the repository's own ``blobs``.

    That may be a link in turn, to a store whose names are hashes of another kind, and is not followed.
    """
    if not path.is_symlink():
        return None
    blob = path.readlink()
    return blob.name if blob.parent.name == "blobs" and HASH.fullmatch(blob.name) else None


def _matching(repository: str, patterns: Sequence[str], listed: Sequence[str]) -> list[str]:
    for name in listed:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            raise DownloadError(f"{repository}: lists {name!r}, which lies outside the repository", permanent=True)
    names: list[str] = []
    for pattern in patterns:
        alternatives = pattern.split("|")
        choices = ([name for name in listed if fnmatchcase(name, choice)] for choice in alternatives)
        matching = next(filter(None, choices), [])
        if not matching:
            more = f", ... ({len(listed)} in all)" if len(listed) > NAMES_SHOWN else ""
            raise DownloadError(
                f"{repository}: has no file {' or '.join(map(repr, alternatives))}; there are: "
                f"{', '.join(listed[:NAMES_SHOWN])}{more}",
                permanent=True,
            )
        names += [name for name in matching if name not in names]
    return names


def _checked(path: Path, name: str, expected: str | None) -> str:
    """Return a file's SHA-256 if its content is what was expected."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    found = sha256
    if expected is not None and len(expected) == 40:
        # Small files are known by git's own hash.
        content = path.read_bytes()
        found = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    if expected is not None and found != expected:
        raise WrongContentError(
            f"{name}: {path.resolve()} has the hash {found}, expected is {expected}. Remove that file and run again; "
            "if it comes again, something on the way (a proxy, a mirror) changes it",
            permanent=False,
        )
    return sha256


def _status(error: BaseException) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _of_transfer(error: BaseException) -> bool:
    # All that the Hub's transfer library raises, for whatever goes wrong on the way; RuntimeErrors of Python's own
    # have types of their own.
    return type(error) is RuntimeError


def _may_pass(error: BaseException) -> bool:
    """Whether a failure may pass by itself: a busy or broken server, a connection that was cut."""
    if isinstance(error, DownloadError | OfflineModeIsEnabled):
        return False
    if isinstance(error, LocalEntryNotFoundError):
        # Raised from what kept the Hub from answering; by itself it tells only what is in the cache.
        return error.__cause__ is not None and not constants.HF_HUB_OFFLINE and _may_pass(error.__cause__)
    status = _status(error)
    if status is not None:
        return status == 429 or status >= 500
    passing = isinstance(error, HTTPError | ConnectionError | TimeoutError) or _of_transfer(error)
    return passing or "Consistency check" in str(error)


def _explained(
    error: Exception, repository: str, patterns: Sequence[str], kind: Kind, revision: str | None
) -> DownloadError:
    where = f"{constants.ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{repository}"
    status = _status(error)
    if isinstance(error, OfflineModeIsEnabled):
        return _offline(repository, patterns)
    if isinstance(error, GatedRepoError) or status == 403:
        return DownloadError(
            f"{repository}: access is granted on request: accept its terms at {where} and set HF_TOKEN to a token of "
            "your account",
            permanent=True,
        )
    if isinstance(error, RepositoryNotFoundError) or status == 401:
        return DownloadError(
            f"{repository}: {where} does not exist, or is private: then set HF_TOKEN to a token that may read it",
            permanent=True,
        )
    if isinstance(error, RevisionNotFoundError):
        return DownloadError(f"{repository}: has no branch, tag or commit {revision!r}; see {where}", permanent=True)
    if isinstance(error, RemoteEntryNotFoundError) or status == 404:
        return DownloadError(f"{where}: a file it lists is not there ({error})", permanent=True)
    if status == 429:
        return DownloadError(
            f"{repository}: the Hub asks to slow down (429), after {ATTEMPTS} attempts; run again in an hour, or set "
            "HF_TOKEN: accounts may ask more often",
            permanent=False,
        )
    if isinstance(error, LocalEntryNotFoundError) and constants.HF_HUB_OFFLINE:
        return _offline(repository, patterns)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return DownloadError(
            f"{repository}: the disk of the cache, {constants.HF_HUB_CACHE}, is full; make room, or name another by "
            "HF_HUB_CACHE",
            permanent=False,
        )
    if _of_transfer(error):
        return DownloadError(
            f"{repository}: {where} cannot be read, after {ATTEMPTS} attempts: the transfer library hf_xet says: "
            f"{error}. Check the network; if a firewall stops it, set HF_HUB_DISABLE_XET=1",
            permanent=False,
        )
    tried = f", after {ATTEMPTS} attempts" if _may_pass(error) else ""
    return DownloadError(
        f"{repository}: {where} cannot be read{tried}: {type(error).__name__}: {error}. Check the "
        "network (where it is slow, set HF_HUB_DOWNLOAD_TIMEOUT to more seconds; where a firewall or proxy stops large "
        "files, set HF_HUB_DISABLE_XET=1); on a machine without, fetch on one with it first (see HF_HUB_OFFLINE in "
        "config/README.md)",
        permanent=False,
    )


def _offline(repository: str, patterns: Sequence[str]) -> DownloadError:
    return DownloadError(
        f"{repository}: HF_HUB_OFFLINE is set and {', '.join(patterns)} is not in the cache {constants.HF_HUB_CACHE}. "
        "Run the same command on a machine with internet, with HF_HUB_CACHE on a disk that both see, or unset "
        "HF_HUB_OFFLINE",
        permanent=False,
    )
