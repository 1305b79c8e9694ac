"""The authors' checkpoints from Google Drive: fetched by name, and a page in a file's place is refused."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gdown
import pytest
import requests

from remerge.downloads import drive
from remerge.downloads.hub import DownloadError

NAME = "ViT-B-16/MNIST/finetuned.pt"


@dataclass
class Listed:
    id: str
    path: str


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What Drive hands out, by the id of a file; the first is the one asked for."""
    contents = {"mnist": b"PK" + bytes(200), "other": b"nothing"}
    listed = [Listed("other", "checkpoints/ViT-L-14/MNIST/finetuned.pt"), Listed("mnist", f"checkpoints/{NAME}")]
    monkeypatch.setattr(drive, "AT_LEAST", 100)
    monkeypatch.setattr(drive, "LISTING", tmp_path_factory.mktemp("kept") / "drive.json")
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


def test_the_folder_is_listed_once(folder: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listings = []
    true = gdown.download_folder

    def count(**given: Any) -> Any:
        listings.append(given)
        return true(**given)

    monkeypatch.setattr(gdown, "download_folder", count)
    folder["other"] = folder["mnist"]
    for name in (NAME, "ViT-L-14/MNIST/finetuned.pt", NAME):
        drive.download(name, tmp_path / "finetuned.pt")
    assert len(listings) == 1
    assert (listings[0]["retries"], listings[0]["timeout"]) == (5, 60)


def test_known_files_need_no_listing(folder: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gdown, "download_folder", lambda **given: pytest.fail("listed"))
    folder["1IYE99VnUcKso2UOUYRfuts8MtrZ7IdqU"] = b"PK" + bytes(300)
    drive.download("ViT-B-32/MNIST/finetuned.pt", tmp_path / "finetuned.pt")
    assert (tmp_path / "finetuned.pt").stat().st_size == 302


@pytest.mark.parametrize("broken", ["download", "download_folder"])
def test_a_broken_connection_is_explained(
    folder: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    asked: list[dict[str, Any]] = []

    def fail(**given: Any) -> None:
        asked.append(given)
        raise requests.exceptions.ReadTimeout("read timed out")

    monkeypatch.setattr(gdown, broken, fail)
    with pytest.raises(DownloadError, match=r"read timed out.*--cookies-from-browser") as caught:
        drive.download(NAME, tmp_path / "finetuned.pt")
    assert not caught.value.permanent
    assert [(given["retries"], given["timeout"]) for given in asked] == [(5, 60)]
    assert list(tmp_path.iterdir()) == []
