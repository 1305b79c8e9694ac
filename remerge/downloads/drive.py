"""The Task Arithmetic authors' checkpoints, from their public Google Drive folder."""

import json
import zipfile
from pathlib import Path
from typing import Any

from remerge.downloads.hub import DownloadError
from remerge.files import atomic_path

FOLDER = "1u_Tva6x0p6oxu5Eo0ZZsf-520Cc_3MKw"
REMEDY = (
    "Google Drive limits how often a file is fetched. Wait a day, or fetch the folder "
    f"https://drive.google.com/drive/folders/{FOLDER} in a browser and name it in the configuration: "
    "pools: {NAME: {folder: ...}}, with {architecture}/zeroshot.pt and {architecture}/{task}/finetuned.pt inside. "
    "Accounts may fetch more: `gdown --cookies-from-browser firefox ...` keeps your browser's cookies for later runs"
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
# The smallest of them, a ViT-B-32, has 350 megabytes; a page that tells of a quota has kilobytes.
AT_LEAST = 10_000_000


def download(name: str, path: str | Path) -> None:
    """Download one file; a page that Drive sends in its place is never taken for it.

    Args:
        name: Its path in the folder, such as ``ViT-B-32/MNIST/finetuned.pt``.
        path: Where to write it.

    Raises:
        DownloadError: The folder does not list it, or Drive does not hand it out; the message tells what to do.
    """
    import gdown
    import requests

    try:
        identifier = KNOWN.get(name) or _listed(name)
        with atomic_path(path) as temporary:
            gdown.download(id=identifier, output=str(temporary), quiet=False, retries=RETRIES, timeout=TIMEOUT)
            if temporary.stat().st_size < AT_LEAST or _is_page(temporary):
                raise DownloadError(f"{name}: Drive sent a page instead of the file. {REMEDY}", permanent=False)
    except (gdown.DownloadError, requests.RequestException) as error:
        raise DownloadError(f"{name}: {error}. {REMEDY}", permanent=False) from error


def _listed(name: str) -> str:
    """Return a file's id from the folder's listing, which is asked for once and kept."""
    listing = json.loads(LISTING.read_text(encoding="utf-8")) if LISTING.exists() else {}
    if not (ids := _ids(listing, name)):
        listing = _list()
        with atomic_path(LISTING) as temporary:
            temporary.write_text(json.dumps(listing, indent=2) + "\n", encoding="utf-8")
        ids = _ids(listing, name)
    if not ids:
        raise DownloadError(f"{name}: not in the folder, which lists {len(listing)} files. {REMEDY}", permanent=True)
    return ids[0]


def _list() -> dict[str, str]:
    import gdown

    listed: list[Any] = gdown.download_folder(
        id=FOLDER, skip_download=True, quiet=True, retries=RETRIES, timeout=TIMEOUT
    )
    return {entry.path: entry.id for entry in listed}


def _ids(listing: dict[str, str], name: str) -> list[str]:
    # The listing's paths may begin with the folder's own name.
    return [identifier for path, identifier in listing.items() if f"/{path}".endswith(f"/{name}")]


def _is_page(path: Path) -> bool:
    if zipfile.is_zipfile(path):
        return False
    with path.open("rb") as file:
        return file.read(64).lstrip().lower().startswith((b"<!doctype", b"<html"))
