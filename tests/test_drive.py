"""The authors' checkpoints from Google Drive: fetched by name, and a page in a file's place is refused."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gdown
import pytest

from remerge.downloads import drive
from remerge.downloads.hub import DownloadError

NAME = "ViT-B-32/MNIST/finetuned.pt"


@dataclass
class Listed:
    id: str
    path: str


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What Drive hands out, by the id of a file; the first is the one asked for."""
    contents = {"mnist": b"PK" + bytes(200), "other": b"nothing"}
    listed = [Listed("other", "checkpoints/ViT-L-14/MNIST/finetuned.pt"), Listed("mnist", f"checkpoints/{NAME}")]
    monkeypatch.setattr(drive, "AT_LEAST", 100)
    monkeypatch.setattr(gdown, "download_folder", lambda **given: listed)

    def download(id: str, output: str, **given: Any) -> str:
        Path(output).write_bytes(contents[id])
        return output

    monkeypatch.setattr(gdown, "download", download)
    return contents


def test_a_file_is_fetched_by_its_name(folder: dict[str, bytes], tmp_path: Path) -> None:
    drive.download(NAME, tmp_path / "finetuned.pt")
    assert (tmp_path / "finetuned.pt").read_bytes() == folder["mnist"]


@pytest.mark.parametrize("page", [b"<!DOCTYPE html>" + bytes(500), b"  <html>" + bytes(500), b"quota exceeded"])
def test_a_page_is_not_taken_for_a_checkpoint(folder: dict[str, bytes], tmp_path: Path, page: bytes) -> None:
    folder["mnist"] = page
    with pytest.raises(DownloadError, match=r"Drive sent a page instead of the file.*in a browser") as caught:
        drive.download(NAME, tmp_path / "finetuned.pt")
    assert not caught.value.permanent
    assert list(tmp_path.iterdir()) == []


def test_what_the_folder_lacks_and_what_drive_refuses_is_explained(
    folder: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DownloadError, match="not in the folder, which lists 2 files") as caught:
        drive.download("ViT-B-16/zeroshot.pt", tmp_path / "zeroshot.pt")
    assert caught.value.permanent

    def refuse(**given: Any) -> None:
        raise gdown.FileURLRetrievalError("too many users have viewed or downloaded this file")

    monkeypatch.setattr(gdown, "download", refuse)
    with pytest.raises(DownloadError, match="too many users"):
        drive.download(NAME, tmp_path / "finetuned.pt")
    assert list(tmp_path.iterdir()) == []
