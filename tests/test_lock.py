"""Lock files: what they hold, and which are refused."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from remerge.config.models import Pool
from remerge.downloads.pins import check_record, read_pins, revision_of, write_lock
from remerge.errors import RemergeError

ONE, TWO = "1" * 40, "a" * 40
FIRST, SECOND = "5" * 64, "b" * 64


def record(path: Path, repository: str, revision: str | None, missing: str = "", **files: str) -> Path:
    told = {"repository": repository, "kind": "dataset", "revision": revision, "files": files, "missing": missing}
    path.write_text(json.dumps(told))
    return path


def test_a_lock_file_holds_what_was_had_and_is_read_back(tmp_path: Path) -> None:
    records = [
        record(tmp_path / "train.json", "owner/name", ONE, train=FIRST),
        record(tmp_path / "test.json", "owner/name", ONE, test=SECOND),
        record(tmp_path / "gone.json", "owner/gone", None, missing="does not exist"),
    ]
    write_lock(tmp_path / "lock.yaml", records)
    pins = read_pins(tmp_path / "lock.yaml")
    assert pins == {
        "owner/name": {"kind": "dataset", "commit": ONE, "files": {"train": FIRST, "test": SECOND}},
    }
    assert revision_of(pins["owner/name"], "main") == ONE
    assert revision_of(pins.get("owner/gone"), "main") == "main"


def test_a_repository_at_two_commits_cannot_be_locked(tmp_path: Path) -> None:
    records = [record(tmp_path / f"{commit}.json", "owner/name", commit) for commit in (ONE, TWO)]
    with pytest.raises(RemergeError, match=f"{TWO}.json: owner/name at {TWO}, while another record has it at {ONE}"):
        write_lock(tmp_path / "lock.yaml", records)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read"),
        ("[", "cannot be read"),
        ("- a", "must list repositories"),
        ("owner/name: main", "owner/name: needs `commit`"),
        ("owner/name: {commit: main, files: {}}", "owner/name: needs `commit`"),
        (f"owner/name: {{commit: {TWO}, files: {{a: b}}}}", "owner/name: needs `commit`"),
    ],
)
def test_what_is_no_lock_file_is_refused(tmp_path: Path, content: str | None, told: str) -> None:
    if content is not None:
        (tmp_path / "lock.yaml").write_text(content)
    with pytest.raises(RemergeError, match=f"downloads: .*lock.yaml.*{told}"):
        read_pins(tmp_path / "lock.yaml")


def test_another_file_is_refused_by_name(tmp_path: Path) -> None:
    path = record(tmp_path / "a.json", "owner/name", ONE, weights=FIRST)
    check_record(path, None)
    check_record(path, {"commit": ONE, "files": {"weights": FIRST}})
    with pytest.raises(RemergeError, match=f"owner/name/weights at {ONE}: has the SHA-256 {FIRST}.* says {SECOND}"):
        check_record(path, {"commit": ONE, "files": {"weights": SECOND}})


def test_a_pool_has_no_commit() -> None:
    assert Pool(origin="fusionbench", architecture="ViT-B-32", revision="main").revision == "main"
    with pytest.raises(ValidationError, match="give commits by `downloads`"):
        Pool(origin="fusionbench", architecture="ViT-B-32", revision=ONE)


def test_large_images_are_read_without_a_word_up_to_pillows_own_limit() -> None:
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import io; from PIL import Image; from remerge.preparation import open_image\n"
            "file = io.BytesIO(); Image.new('RGB', (15, 10)).save(file, 'png')\n"
            "Image.MAX_IMAGE_PIXELS = 100; print(open_image(file.getvalue()).size)\n"
            "Image.MAX_IMAGE_PIXELS = 70; open_image(file.getvalue())",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout == "(15, 10)\n"
    assert "Warning" not in told.stderr
    assert "DecompressionBombError" in told.stderr
