"""The authors' checkpoints from Google Drive: fetched by name, recorded, and a page in a file's place is refused."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gdown
import pytest
import requests

from remerge.downloads import drive
from remerge.downloads.hub import DownloadError, WrongContentError

NAME = "ViT-B-16/MNIST/finetuned.pt"


@dataclass
class Listed:
    id: str
    path: str


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What Drive hands out, by the id of a file; the first is the one asked for."""
    contents = {"mnist": b"PK" + bytes(200), "other": b"nothing"}
    listed = [Listed("other", "checkpoints/ViT-L-14/MNIST/finetuned.pt"), Listed("mnist", f"checkpoints/{NAME}")]
    monkeypatch.setattr(drive, "AT_LEAST", 100)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gdown, "download_folder", lambda **given: listed)

    def download(id: str, output: str, **given: Any) -> str:
        Path(output).write_bytes(contents[id])
        return output

    monkeypatch.setattr(gdown, "download", download)
    return contents


def kept() -> list[Path]:
    return [path for path in drive.PICKLES.rglob("*") if path.is_file()]


def test_a_file_is_fetched_by_its_name_and_only_once(folder: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = drive.fetch(NAME)
    assert fetched.path.read_bytes() == folder["mnist"]
    assert (fetched.identifier, fetched.size) == ("mnist", 202)
    monkeypatch.setattr(gdown, "download", lambda **given: pytest.fail("fetched again"))
    assert drive.fetch(NAME) == fetched


def test_a_record_tells_which_file_and_finds_it_again(folder: dict[str, bytes], tmp_path: Path) -> None:
    path, sha256 = tmp_path / "record.json", hashlib.sha256(folder["mnist"]).hexdigest()
    drive.record(path, NAME)
    told = json.loads(path.read_text())
    assert (told["kind"], told["revision"], told["size"], told["files"]) == ("drive", "mnist", 202, {NAME: sha256})
    drive.recorded(path).unlink()
    assert drive.recorded(path).read_bytes() == folder["mnist"]
    drive.recorded(path).write_bytes(b"PK" + bytes(300))
    with pytest.raises(WrongContentError, match=f"{NAME}: .*, expected is {sha256}"):
        drive.recorded(path)


def test_a_file_that_was_put_there_needs_no_drive(
    folder: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("download", "download_folder"):
        monkeypatch.setattr(gdown, name, lambda **given: pytest.fail("asked"))
    (drive.PICKLES / NAME).parent.mkdir(parents=True)
    (drive.PICKLES / NAME).write_bytes(folder["mnist"])
    drive.record(tmp_path / "record.json", NAME)
    assert json.loads((tmp_path / "record.json").read_text())["revision"] is None
    assert drive.recorded(tmp_path / "record.json").read_bytes() == folder["mnist"]


@pytest.mark.parametrize("there", [False, True])
def test_a_file_that_is_not_the_pins_is_refused_with_both_hashes(
    folder: dict[str, bytes], tmp_path: Path, there: bool
) -> None:
    if there:
        drive.fetch(NAME)
    found = hashlib.sha256(folder["mnist"]).hexdigest()
    with pytest.raises(WrongContentError, match=f"has the SHA-256 {found}, expected is {'5' * 64}.*`downloads`"):
        drive.record(tmp_path / "record.json", NAME, pin={"id": "mnist", "size": 202, "sha256": "5" * 64})
    assert not (tmp_path / "record.json").exists()


def test_a_pin_needs_no_listing(folder: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gdown, "download_folder", lambda **given: pytest.fail("listed"))
    pin = {"id": "mnist", "size": 202, "sha256": hashlib.sha256(folder["mnist"]).hexdigest()}
    drive.record(tmp_path / "record.json", NAME, pin=pin)
    assert drive.recorded(tmp_path / "record.json").read_bytes() == folder["mnist"]


@pytest.mark.parametrize("page", [b"<!DOCTYPE html>" + bytes(500), b"  <html>" + bytes(500), b"quota exceeded"])
def test_a_page_is_not_taken_for_a_checkpoint(folder: dict[str, bytes], page: bytes) -> None:
    folder["mnist"] = page
    with pytest.raises(DownloadError, match=r"Drive sent a page instead of the file.*in a browser") as caught:
        drive.fetch(NAME)
    assert not caught.value.permanent
    assert kept() == []


def test_what_the_folder_lacks_and_what_drive_refuses_is_explained(
    folder: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DownloadError, match="not in the folder, which lists 2 files") as caught:
        drive.fetch("ViT-B-16/zeroshot.pt")
    assert caught.value.permanent

    def refuse(**given: Any) -> None:
        raise gdown.FileURLRetrievalError("too many users have viewed or downloaded this file")

    monkeypatch.setattr(gdown, "download", refuse)
    with pytest.raises(DownloadError, match="too many users"):
        drive.fetch(NAME)
    assert kept() == []


def test_the_folder_is_listed_once(folder: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    listings = []
    true = gdown.download_folder

    def count(**given: Any) -> Any:
        listings.append(given)
        return true(**given)

    monkeypatch.setattr(gdown, "download_folder", count)
    folder["other"] = folder["mnist"]
    for name in (NAME, "ViT-L-14/MNIST/finetuned.pt", NAME):
        drive.fetch(name)
    assert len(listings) == 1
    assert (listings[0]["retries"], listings[0]["timeout"]) == (5, 60)


def test_known_files_need_no_listing(folder: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gdown, "download_folder", lambda **given: pytest.fail("listed"))
    folder["1IYE99VnUcKso2UOUYRfuts8MtrZ7IdqU"] = b"PK" + bytes(300)
    assert drive.fetch("ViT-B-32/MNIST/finetuned.pt").size == 302


@pytest.mark.parametrize("broken", ["download", "download_folder"])
def test_a_broken_connection_is_explained(
    folder: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    asked: list[dict[str, Any]] = []

    def fail(**given: Any) -> None:
        asked.append(given)
        raise requests.exceptions.ReadTimeout("read timed out")

    monkeypatch.setattr(gdown, broken, fail)
    with pytest.raises(DownloadError, match=r"read timed out.*--cookies-from-browser") as caught:
        drive.fetch(NAME)
    assert not caught.value.permanent
    assert [(given["retries"], given["timeout"]) for given in asked] == [(5, 60)]
    assert kept() == []
