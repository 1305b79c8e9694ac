"""The Task Arithmetic authors' checkpoints, from their public Google Drive folder.

Drive provides no hashes and limits how often a file can be downloaded, so files are kept, hashed, and never downloaded
twice.
"""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remerge.downloads.hub import DownloadError, WrongContentError, sha256_of
from remerge.downloads.records import Pin, against, write_record
from remerge.run.atomic import atomic_path

FOLDER = "1u_Tva6x0p6oxu5Eo0ZZsf-520Cc_3MKw"
ADDRESS = f"https://drive.google.com/drive/folders/{FOLDER}"
# Where files are kept; relative to the folder that Snakemake runs in.
PICKLES = Path("results/downloads/task-vectors")
REMEDY = (
    f"Google Drive limits how often a file is fetched. Wait a day, or fetch the folder {ADDRESS} in a browser and put "
    f"its {{architecture}}/zeroshot.pt and {{architecture}}/{{task}}/finetuned.pt into {PICKLES}, or anywhere that the "
    "configuration names: pools: {NAME: {folder: ...}}. Accounts may fetch more: `gdown --cookies-from-browser firefox "
    "...` keeps your browser's cookies for later runs"
)
# Listing the folder takes a request for each of its subfolders, and counts towards the limit.
KNOWN = {
    "ViT-B-32/Cars/finetuned.pt": "101U8_jLvsDg6WePgsDK9QvEFw1_9jnbC",
    "ViT-B-32/DTD/finetuned.pt": "1octqDdrX8vOSRfMWKHSBodPiC5OS4XBA",
    "ViT-B-32/EuroSAT/finetuned.pt": "1EZIkpSox2tuXRDADFw2Ih9Rfown94BKU",
    "ViT-B-32/GTSRB/finetuned.pt": "1BDEpJSL0GWGfD93OvymW_oZZeWfyYclM",
    "ViT-B-32/MNIST/finetuned.pt": "1IYE99VnUcKso2UOUYRfuts8MtrZ7IdqU",
    "ViT-B-32/RESISC45/finetuned.pt": "1Glu2Hky3qa58LJgtWhwDa50CLkCPdkuo",
    "ViT-B-32/SUN397/finetuned.pt": "1HWs-n0GEewLQ9hXnOJYtm85GtJpJl35Q",
    "ViT-B-32/SVHN/finetuned.pt": "1_xM_tfAJPm_0YoonnaSn4rVeek2qrzk9",
}
# Where the folder's listing is kept; relative to the folder that Snakemake runs in.
LISTING = Path(".snakemake/remerge/drive.json")
RETRIES = 5
TIMEOUT = 60  # seconds without a byte
# The smallest checkpoint, a ViT-B-32, has 350 megabytes; a page with an error about the quota has kilobytes.
AT_LEAST = 10_000_000


@dataclass(frozen=True)
class DriveFile:
    """One of the authors' files.

    Attributes:
        path: Path of the file.
        identifier: Its id on Google Drive; None for a file that was placed by hand and has an unknown name.
        size: Size in bytes.
        sha256: Its hash.
    """

    path: Path
    identifier: str | None
    size: int
    sha256: str


def record(path: str | Path, name: str, *, pin: Pin | None = None) -> None:
    """Download one file unless it exists, and write its id and hash to a JSON file.

    Args:
        path: The JSON file.
        name: The file's path in the folder, such as ``ViT-B-32/MNIST/finetuned.pt``.
        pin: The required ``id`` and ``sha256``.

    Raises:
        DownloadError: The file cannot be downloaded.
        WrongContentError: It differs from the pin; the message names both hashes.
    """
    try:
        fetched = fetch(name, *((pin["id"], pin["sha256"]) if pin else ()))
    except WrongContentError as error:
        raise against(error, pin) from error
    content = {"repository": ADDRESS, "kind": "drive", "revision": fetched.identifier, "size": fetched.size}
    write_record(path, content | {"files": {name: fetched.sha256}, "missing": ""})


def recorded(path: str | Path) -> Path:
    """Return the exact file of a record, downloading it again if it no longer exists.

    Raises:
        DownloadError: The file cannot be downloaded.
        WrongContentError: The file has changed.
    """
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    ((name, sha256),) = content["files"].items()
    return fetch(name, content["revision"], sha256).path


def fetch(name: str, identifier: str | None = None, expected: str | None = None) -> DriveFile:
    """Return one file, downloading it unless it exists; error pages that Drive sends instead are rejected.

    Args:
        name: Its path in the folder, such as ``ViT-B-32/MNIST/finetuned.pt``.
        identifier: Its id on Google Drive; if None, it is looked up in the folder's listing.
        expected: Its SHA-256, if known.

    Raises:
        DownloadError: The folder does not list it, or Drive does not serve it; the message says what to do.
        WrongContentError: Its hash is not the expected one; the message names both.
    """
    path = PICKLES / name
    identifier = identifier or KNOWN.get(name)
    if not path.is_file():
        identifier = identifier or _listed(name)
        _download(name, identifier, path)
    elif not identifier and (ids := _ids(_kept_listing(), name)):
        identifier = ids[0]
    sha256 = sha256_of(path)
    if expected is not None and sha256 != expected:
        raise WrongContentError(
            f"{name}: {path} has the SHA-256 {sha256}, expected is {expected}. Remove that file and run again",
            permanent=False,
        )
    return DriveFile(path, identifier, path.stat().st_size, sha256)


def _download(name: str, identifier: str, path: Path) -> None:
    import gdown
    import requests

    try:
        with atomic_path(path) as temporary:
            gdown.download(id=identifier, output=str(temporary), quiet=False, retries=RETRIES, timeout=TIMEOUT)
            if temporary.stat().st_size < AT_LEAST or _is_page(temporary):
                raise DownloadError(f"{name}: Drive sent a page instead of the file. {REMEDY}", permanent=False)
    except (gdown.DownloadError, requests.RequestException) as error:
        raise DownloadError(f"{name}: {error}. {REMEDY}", permanent=False) from error


def _listed(name: str) -> str:
    """Return a file's id from the folder's listing, which is requested once and kept."""
    listing = _kept_listing()
    if not (ids := _ids(listing, name)):
        listing = _list(name)
        with atomic_path(LISTING) as temporary:
            temporary.write_text(json.dumps(listing, indent=2) + "\n", encoding="utf-8")
        ids = _ids(listing, name)
    if not ids:
        raise DownloadError(f"{name}: not in the folder, which lists {len(listing)} files. {REMEDY}", permanent=True)
    return ids[0]


def _kept_listing() -> dict[str, str]:
    return json.loads(LISTING.read_text(encoding="utf-8")) if LISTING.exists() else {}


def _list(name: str) -> dict[str, str]:
    import gdown
    import requests

    try:
        listed: list[Any] = gdown.download_folder(
            id=FOLDER, skip_download=True, quiet=True, retries=RETRIES, timeout=TIMEOUT
        )
    except (gdown.DownloadError, requests.RequestException) as error:
        raise DownloadError(f"{name}: {error}. {REMEDY}", permanent=False) from error
    return {entry.path: entry.id for entry in listed}


def _ids(listing: dict[str, str], name: str) -> list[str]:
    # The listing's paths may begin with the folder's own name.
    return [identifier for path, identifier in listing.items() if f"/{path}".endswith(f"/{name}")]


def _is_page(path: Path) -> bool:
    if zipfile.is_zipfile(path):
        return False
    with path.open("rb") as file:
        return file.read(64).lstrip().lower().startswith((b"<!doctype", b"<html"))
