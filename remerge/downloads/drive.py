"""The Task Arithmetic authors' checkpoints, from their public Google Drive folder."""

import zipfile
from pathlib import Path
from typing import Any

from remerge.downloads.hub import DownloadError
from remerge.files import atomic_path

FOLDER = "1u_Tva6x0p6oxu5Eo0ZZsf-520Cc_3MKw"
REMEDY = (
    "Google Drive limits how often a file is fetched. Wait a day, or fetch the folder "
    f"https://drive.google.com/drive/folders/{FOLDER} in a browser and name it in the configuration: "
    "pools: {NAME: {folder: ...}}, with {architecture}/zeroshot.pt and {architecture}/{task}/finetuned.pt inside"
)
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

    try:
        listed: list[Any] = gdown.download_folder(id=FOLDER, skip_download=True, quiet=True)
        # The listing's paths may begin with the folder's own name.
        ids = [entry.id for entry in listed if f"/{entry.path}".endswith(f"/{name}")]
        if not ids:
            raise DownloadError(f"{name}: not in the folder, which lists {len(listed)} files. {REMEDY}", permanent=True)
        with atomic_path(path) as temporary:
            gdown.download(id=ids[0], output=str(temporary), quiet=False)
            if temporary.stat().st_size < AT_LEAST or _is_page(temporary):
                raise DownloadError(f"{name}: Drive sent a page instead of the file. {REMEDY}", permanent=False)
    except gdown.DownloadError as error:
        raise DownloadError(f"{name}: {error}. {REMEDY}", permanent=False) from error


def _is_page(path: Path) -> bool:
    if zipfile.is_zipfile(path):
        return False
    with path.open("rb") as file:
        return file.read(64).lstrip().lower().startswith((b"<!doctype", b"<html"))
