"""Checks of what will be downloaded; they request metadata of files, never the files themselves."""

import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from fnmatch import fnmatchcase
from http.client import HTTPException
from json import JSONDecodeError

from huggingface_hub import HfApi, constants, try_to_load_from_cache
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HTTPError, RepositoryNotFoundError

from remerge.config.models import Config
from remerge.doctor.check import Check, Verdict
from remerge.downloads import drive
from remerge.plan.downloads import Wanted

# Seconds for one request, and for all of them.
TIMEOUT = 5
LIMIT = 30
AT_ONCE = 16
ONLINE = "check the network; for a machine without one, download elsewhere first (HF_HUB_OFFLINE, see config/README.md)"


def repositories(wanted: Sequence[Wanted]) -> tuple[list[Check], int]:
    """Return a check for each repository, and how many bytes of them are not in the cache yet."""
    pool = ThreadPoolExecutor(AT_ONCE)
    asked = [pool.submit(_looked_up, each) for each in wanted]
    done, _ = wait(asked, timeout=LIMIT)
    pool.shutdown(wait=False, cancel_futures=True)
    checks, size = [], 0
    for each, future in zip(wanted, asked, strict=True):
        if future in done:
            check, more = future.result()
        else:
            check, more = _check(each, "cannot tell", f"no answer within {LIMIT} s", ONLINE), 0
        checks.append(check)
        size += more
    return checks, size


def _check(wanted: Wanted, verdict: Verdict, message: str, remedy: str = "") -> Check:
    if verdict == "will fail" and wanted.can_lack:
        verdict, message = "warning", f"{message}; the task is left out, and averages say how many tasks they cover"
    return Check(wanted.purpose, verdict, f"{wanted.repository}: {message}", remedy)


def _looked_up(wanted: Wanted) -> tuple[Check, int]:
    where = f"{constants.ENDPOINT}/{'datasets/' if wanted.kind == 'dataset' else ''}{wanted.repository}"
    if constants.HF_HUB_OFFLINE:
        return _check(wanted, "cannot tell", "not checked, because HF_HUB_OFFLINE is set"), 0
    hub = HfApi()
    ask = hub.model_info if wanted.kind == "model" else hub.dataset_info
    try:
        info = ask(wanted.repository, revision=wanted.revision, files_metadata=True, timeout=TIMEOUT)
        if info.gated:
            # The list of files is public, the files are not.
            hub.auth_check(wanted.repository, repo_type=wanted.kind)
    except (HfHubHTTPError, HTTPError, OSError) as error:
        return _refused(wanted, error, where), 0
    except JSONDecodeError:
        message = (
            f"{constants.ENDPOINT} answers with a web page instead of data, which a proxy or login page may have sent"
        )
        remedy = "open this address in a browser on this machine, or set HTTPS_PROXY or HF_ENDPOINT"
        return _check(wanted, "cannot tell", message, remedy), 0
    size, missing = 0, []
    for patterns in wanted.files:
        # The first pattern that something matches is what will be fetched.
        matching = [entry for name in patterns for entry in info.siblings or () if fnmatchcase(entry.rfilename, name)]
        if not matching:
            missing.append(" or ".join(patterns))
        for entry in matching if "*" in patterns[0] else matching[:1]:
            cached = try_to_load_from_cache(
                wanted.repository, entry.rfilename, constants.HF_HUB_CACHE, info.sha, wanted.kind
            )
            size += 0 if isinstance(cached, str) else entry.size or 0
    if missing:
        remedy = f"see {where}; name a `revision` that has it, or a `folder`"
        return _check(wanted, "will fail", f"has no file {', '.join(missing)}", remedy), 0
    return _check(wanted, "fine", f"{size / 1e6:,.0f} MB to fetch" if size else "in the cache"), size


def _refused(wanted: Wanted, error: Exception, where: str) -> Check:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if response is not None and "Invalid credentials" in response.headers.get("X-Error-Message", ""):
        # Images are affected too, and every other refusal only leaves the task out.
        message = f"{wanted.repository}: the Hub rejects the token that is set: it is wrong or has expired"
        remedy = "set HF_TOKEN to a new one, or remove it (`hf auth logout`): public files need no token"
        return Check(wanted.purpose, "will fail", message, remedy)
    if isinstance(error, GatedRepoError) or status == 403:
        remedy = f"accept its terms at {where} and set HF_TOKEN to a token of your account"
        return _check(wanted, "will fail", "access is granted on request", remedy)
    if isinstance(error, RepositoryNotFoundError) or status == 401:
        remedy = f"see {where}; if it is private, set HF_TOKEN to a token that may read it"
        return _check(wanted, "will fail", "does not exist, or is private", remedy)
    if status == 404:
        return _check(wanted, "will fail", f"has no revision {wanted.revision or 'main'}", f"see {where}")
    message = f"the Hub answers {status}" if status else f"the Hub cannot be reached ({type(error).__name__})"
    return _check(wanted, "cannot tell", message, ONLINE)


def drive_folder(config: Config) -> list[Check]:
    """Check that the Task Arithmetic authors' folder on Google Drive can be reached, if a pool needs it."""
    if not any(pool.origin == "task-vectors" and pool.folder is None for pool in config.pools.values()):
        return []
    name = "Google Drive"
    if constants.HF_HUB_OFFLINE:
        return [Check(name, "cannot tell", "not checked, because HF_HUB_OFFLINE is set")]
    try:
        with urllib.request.urlopen(urllib.request.Request(drive.ADDRESS, method="HEAD"), timeout=TIMEOUT):
            return [
                Check(
                    name, "fine", "the authors' folder can be reached; its download quota cannot be checked in advance"
                )
            ]
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 404:
            return [Check(name, "will fail", "the authors' folder no longer exists", drive.REMEDY)]
        return [Check(name, "cannot tell", f"Google Drive answers {error.code}", drive.REMEDY)]
    except (OSError, HTTPException) as error:
        return [Check(name, "cannot tell", f"Google Drive cannot be reached ({error})", drive.REMEDY)]
