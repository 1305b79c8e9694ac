"""Malicious inputs of every kind that is read: refused, or taken as text; nothing runs, nothing lands elsewhere.

Pickles have their own tests (test_legacy_checkpoints.py), as have YAML tags (test_config.py).
"""

import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from remerge.checkpoints.weights import load_weights
from remerge.errors import RemergeError
from remerge.findings.tables import Row, main_table, main_table_latex, main_table_markdown
from remerge.images.preparation import prepare
from remerge.images.store import ImageSet, load_images, save_images
from remerge.run.archive import rebuild, unpack
from remerge.scoring.scores import read_scores

EVIL = ["../../escape", "a; touch evil", "'\"`$(touch evil)`", "line\nbreak", "{0.__class__}", "{task}", "|<b>*_&%\\"]


@pytest.mark.parametrize("length", [2**63, 2**40, 100_000_001])
def test_a_header_of_absurd_length_is_refused_unread(tmp_path: Path, length: int) -> None:
    path = tmp_path / "evil.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b"{}" * 50)
    for read in (load_weights, load_images):
        with pytest.raises(RemergeError, match=r"evil\.safetensors: not "):
            read(path)


@pytest.mark.parametrize(
    "tensor",
    [
        {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]},
        {"dtype": "F32", "shape": [1], "data_offsets": [2**40, 2**40 + 4]},
    ],
)
def test_tensors_beyond_their_file_are_refused(tmp_path: Path, tensor: dict[str, Any]) -> None:
    header = json.dumps({"weight": tensor}).encode()
    (tmp_path / "evil.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(RemergeError, match="not a whole safetensors file"):
        load_weights(tmp_path / "evil.safetensors")


def test_an_image_bomb_is_refused_before_it_is_decoded() -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    with pytest.raises((ValueError, Image.DecompressionBombError), match="pixels"):
        prepare(bomb + chunk(b"IEND", b""), 32)


@pytest.mark.parametrize("name", EVIL)
def test_names_are_text_wherever_they_go(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    images = ImageSet(np.zeros((1, 4, 4, 3), np.uint8), np.zeros(1, np.int64), name, "test", "real")
    save_images("images.safetensors", images)
    again = load_images("images.safetensors")
    assert again.task == name
    methods = {"m": Row(name, "ties")}
    scores = pd.DataFrame({"method": ["m"], "task": [name], "split": ["test"], "correct": [1], "n": [2]})
    table = main_table(scores, methods, [name])
    main_table_latex(table, methods, {name: "real"}, {})
    text = main_table_markdown(table, methods, {name: "real"}, {})
    assert "<b>" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.safetensors"]


def test_cells_of_a_score_file_are_never_evaluated(tmp_path: Path) -> None:
    for cell in ("=1+1", "__import__('os').system('touch evil')", "@SUM(A1)"):
        (tmp_path / "scores.csv").write_text(f"task,split,correct,n\n{cell},test,1,2\n")
        assert read_scores(tmp_path / "scores.csv")["task"][0] == cell
        (tmp_path / "scores.csv").write_text(f"task,split,correct,n\na,test,{cell},2\n")
        with pytest.raises(RemergeError, match="must be whole numbers"):
            read_scores(tmp_path / "scores.csv")


@pytest.mark.parametrize(
    "entry", ["../evil.csv", "/tmp/evil.csv", "results/../../evil.csv", "results/evil.py", "evil.csv", "results/a.so"]
)
def test_an_archive_that_would_write_elsewhere_is_refused_whole(tmp_path: Path, entry: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("results/mini/tables/t.csv", "a")
        archive.writestr(entry, "evil")
    with pytest.raises(RemergeError, match="is no file of an archive"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "evil", [{"script": "../evil.py"}, {"script": "results/evil.py"}, {"output": {"": ["../precious.csv"]}}]
)
def test_a_record_that_would_run_or_overwrite_anything_else_is_refused(tmp_path: Path, evil: dict[str, Any]) -> None:
    told: dict[str, Any] = {"sha256": "", "bytes": 1, "mtime_ns": 0, "inputs": {}, "input": {}, "parameters": {}}
    told |= {
        "rule": "r",
        "code": "",
        "remerge": "",
        "commit": "",
        "wildcards": {},
        "script": "scripts/r.py",
        "output": {"": ["results/m/tables/t.csv"]},
    } | evil
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
    (tmp_path / "precious.csv").write_text("precious")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("results/m/tables/t.csv", "a")
        archive.writestr("results/provenance/m/tables/t.csv.json", json.dumps(told))
    with pytest.raises(RemergeError, match="not a record of this workflow"):
        rebuild(tmp_path / "a.zip", tmp_path / "out", tmp_path / "project")
    assert (tmp_path / "precious.csv").read_text() == "precious"
