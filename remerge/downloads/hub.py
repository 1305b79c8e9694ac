"""Files from the Hugging Face Hub, at one commit, checked against the Hub's hashes.

``huggingface_hub`` does the transfers and respects its usual variables: ``HF_ENDPOINT``, ``HF_TOKEN``,
``HF_HUB_OFFLINE``, ``HF_HUB_CACHE``, ``HF_HUB_DOWNLOAD_TIMEOUT``. It resumes broken transfers and waits when the Hub is
busy. This module adds what it lacks: one commit for all files, checks of hashes, and readable errors. The cache is
shared with other programs, so nothing in it is removed or replaced.
"""

import errno
import hashlib
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from json import JSONDecodeError
from pathlib import Path, PurePosixPath
from typing import Any, Literal

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
from huggingface_hub.utils import parse_ratelimit_headers
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from remerge.errors import RemergeError

Kind = Literal["model", "dataset"]

ATTEMPTS = 4
# Seconds between two attempts, unless a busy server asks for more, and the longest wait that it may ask for.
WAIT = wait_exponential_jitter(multiplier=2, max=60)
LONGEST_WAIT = 600
NAMES_SHOWN = 12
HASH = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
# Files that are wrong in the cache, or that it has no place for because it may only be read, are kept here; relative to
# the folder that Snakemake runs in.
OWN_CACHE = Path(".snakemake/remerge/hub")
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
FULL = {errno.ENOSPC, errno.EDQUOT}


class DownloadError(RemergeError):
    """Files that cannot be downloaded.

    Attributes:
        permanent: Whether trying again, without changing anything, is pointless.
    """

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent


class WrongContentError(DownloadError):
    """A file whose content differs from what the Hub or a record says."""


@dataclass(frozen=True)
class HubFiles:
    """Files of one commit.

    Attributes:
        repository: Owner and name.
        revision: The commit, 40 hexadecimal digits.
        paths: Paths of the files, by name.
        sha256: Hashes of the files, by name.
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
    """Return files of a repository, downloading them to the Hub's cache unless they are there.

    Args:
        repository: Owner and name.
        patterns: Shell patterns of file names; each must match at least one file. ``a|b`` uses the matches of ``b``
            only if nothing matches ``a``.
        kind: ``model`` or ``dataset``.
        revision: Branch, tag or commit; the newest if None.
        expected: SHA-256 of files by name, if known; the Hub is asked for the others.

    Raises:
        DownloadError: The files cannot be downloaded; the message says why and what to do.
    """
    expected = expected or {}
    try:
        for attempt in Retrying(
            retry=retry_if_exception(_may_pass), stop=stop_after_attempt(ATTEMPTS), wait=_wait, reraise=True
        ):
            with attempt:
                if constants.HF_HUB_OFFLINE:
                    return _cached(repository, patterns, kind, revision, expected)
                names_only = not any(set(pattern) & set("*?[|") for pattern in patterns)
                if revision and HASH.fullmatch(revision) and names_only:
                    # Files of one commit never change: what is in the cache needs no network.
                    with suppress(DownloadError, LocalEntryNotFoundError, PermissionError):
                        return _cached(repository, patterns, kind, revision, expected)
                return _downloaded(repository, patterns, kind, revision, expected)
    except DownloadError:
        raise
    except JSONDecodeError as error:
        raise DownloadError(
            f"{repository}: {constants.ENDPOINT} answers with a page instead of data: a proxy or the network's login "
            "page stands in between. Open the address in a browser on this machine, or set HTTPS_PROXY or HF_ENDPOINT",
            permanent=False,
        ) from error
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
    names = matching(repository, patterns, list(listed))
    paths, sha256 = {}, {}
    for name in names:
        lfs = listed[name].lfs
        if lfs and expected.get(name, lfs.sha256) != lfs.sha256:
            raise WrongContentError(
                f"{repository}/{name} at {info.sha}: has the SHA-256 {lfs.sha256}, expected is {expected[name]}",
                permanent=True,
            )
        etag = expected.get(name) or (lfs.sha256 if lfs else listed[name].blob_id)
        paths[name], sha256[name] = _file(repository, name, kind, info.sha, etag)
    return HubFiles(repository, info.sha, paths, sha256)


def _file(repository: str, name: str, kind: Kind, commit: str, expected: str | None) -> tuple[Path, str]:
    """Download one file to the cache, or to the project's separate cache.

    Wrong files in the cache are left there: a whole cluster may use it, and it may be read-only.
    """
    own: dict[str, Any] = {"cache_dir": OWN_CACHE}
    for options in ({}, own):
        try:
            path = Path(hf_hub_download(repository, name, repo_type=kind, revision=commit, **options))
            return path, _checked(path, f"{repository}/{name}", expected)
        except WrongContentError:
            continue
        except OSError as error:
            if options or error.errno not in FORBIDDEN:
                raise
            print(f"{constants.HF_HUB_CACHE} is closed to us ({error}): {name} goes to {OWN_CACHE}", file=sys.stderr)
    try:
        path = Path(hf_hub_download(repository, name, repo_type=kind, revision=commit, force_download=True, **own))
    except ValueError as error:
        # What a forced download raises from whatever keeps the Hub from answering.
        raise error.__cause__ or error from None
    return path, _checked(path, f"{repository}/{name}", expected)


def _cached(
    repository: str, patterns: Sequence[str], kind: Kind, revision: str | None, expected: Mapping[str, str]
) -> HubFiles:
    """The same without network, from what an earlier download left in the cache."""
    commit = _commit(repository, kind, revision)
    snapshots = [_snapshots(cache, repository, kind) / commit for cache in _caches()]
    files = [(path, snapshot) for snapshot in snapshots for path in snapshot.rglob("*") if path.is_file()]
    found = {path.relative_to(snapshot).as_posix() for path, snapshot in files}
    try:
        names = matching(repository, patterns, sorted(found))
    except DownloadError as error:
        raise _offline(repository, patterns) from error
    paths, sha256 = {}, {}
    for name in names:
        copies = [snapshot / name for snapshot in snapshots if (snapshot / name).is_file()]
        for path in copies:
            etag = expected.get(name) or _etag(path)
            try:
                paths[name], sha256[name] = path, _checked(path, f"{repository}/{name}", etag)
                break
            except (WrongContentError, PermissionError):
                if path == copies[-1]:
                    raise
    return HubFiles(repository, commit, paths, sha256)


def _commit(repository: str, kind: Kind, revision: str | None) -> str:
    try:
        return Path(snapshot_download(repository, repo_type=kind, revision=revision, local_files_only=True)).name
    except LocalEntryNotFoundError:
        # After downloads of a specific commit, the cache does not say which commit is the newest.
        kept = {path.name for cache in _caches() for path in _snapshots(cache, repository, kind).glob("*")}
        if revision in kept:
            return str(revision)
        if revision is not None or not kept:
            raise
        if len(kept) > 1:
            raise DownloadError(
                f"{repository}: HF_HUB_OFFLINE is set and the cache {constants.HF_HUB_CACHE} has several commits, none "
                f"known as the newest: {', '.join(sorted(kept))}. Name one as `revision` in the configuration",
                permanent=False,
            ) from None
        return kept.pop()


def _caches() -> tuple[Path, Path]:
    return Path(constants.HF_HUB_CACHE), OWN_CACHE


def _snapshots(cache: Path, repository: str, kind: Kind) -> Path:
    return cache / repo_folder_name(repo_id=repository, repo_type=kind) / "snapshots"


def _etag(path: Path) -> str | None:
    """The Hub's hash of a cached file, which is the name of its link's target in the repository's ``blobs``.

    The target may itself be a link, to a store with names of another kind of hash; it is not followed.
    """
    if not path.is_symlink():
        return None
    blob = path.readlink()
    return blob.name if blob.parent.name == "blobs" and HASH.fullmatch(blob.name) else None


def matching(repository: str, patterns: Sequence[str], listed: Sequence[str]) -> list[str]:
    """Return the names of a repository's files that match patterns, as for :func:`fetch`.

    Raises:
        DownloadError: A pattern matches no file, or a name points outside the repository.
    """
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


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked(path: Path, name: str, expected: str | None) -> str:
    """Return a file's SHA-256 if its content is what was expected."""
    found = sha256 = sha256_of(path)
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


def _wait(state: RetryCallState) -> float:
    """Seconds to wait before the next attempt: what a busy server asks for, if that is more."""
    headers = _headers(state.outcome.exception() if state.outcome else None)
    asked = headers.get("Retry-After", "")
    limit = parse_ratelimit_headers(headers)
    seconds = int(asked) if asked.isdecimal() else 0
    if limit and not limit.remaining:
        seconds = max(seconds, limit.reset_in_seconds)
    return max(WAIT(state), min(seconds, LONGEST_WAIT))


def _response(error: BaseException | None) -> Any:
    # That a file is not in the cache, either, is raised from what the Hub answered.
    return getattr(error, "response", None) or getattr(getattr(error, "__cause__", None), "response", None)


def _headers(error: BaseException | None) -> Mapping[str, str]:
    return getattr(_response(error), "headers", {})


def _status(error: BaseException) -> int | None:
    return getattr(_response(error), "status_code", None)


def _of_transfer(error: BaseException) -> bool:
    # All that the Hub's transfer library raises, for whatever goes wrong on the way; RuntimeErrors of Python's own
    # have types of their own.
    return type(error) is RuntimeError


def _is_full(error: BaseException) -> bool:
    # The transfer library reports this only in words.
    full = re.search(r"No space left on device|[Qq]uota exceeded", str(error)) if _of_transfer(error) else None
    return full is not None or (isinstance(error, OSError) and error.errno in FULL)


def _may_pass(error: BaseException) -> bool:
    """Whether a failure may pass by itself: a busy or broken server, a connection that was cut."""
    if isinstance(error, DownloadError | OfflineModeIsEnabled) or _is_full(error):
        return False
    if isinstance(error, LocalEntryNotFoundError):
        # Raised from what kept the Hub from answering; by itself it only says what is in the cache.
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
    if status == 401 and "Invalid credentials" in _headers(error).get("X-Error-Message", ""):
        return DownloadError(
            f"{repository}: the Hub does not know the token that is set: it is wrong, or has expired. Set HF_TOKEN to "
            "a new one, or remove it (`hf auth logout`): what is public needs none",
            permanent=False,
        )
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
    if _is_full(error):
        return DownloadError(
            f"{repository}: the disk of the cache, {constants.HF_HUB_CACHE}, is full, or your quota on it used up "
            f"({error}); free some space, or set HF_HUB_CACHE to a folder on another disk",
            permanent=False,
        )
    if isinstance(error, OSError) and error.errno in FORBIDDEN:
        return DownloadError(
            f"{repository}: neither the cache {constants.HF_HUB_CACHE} nor {OWN_CACHE} is open to us ({error}); name a "
            "folder of yours by HF_HUB_CACHE",
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
