"""The papers' tasks: their descriptions, their splits, and their images from wherever they are."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch.utils.data import random_split

from remerge.doctor.estimates import HUB_BYTES, TORCHVISION_BYTES
from remerge.downloads import archives
from remerge.downloads.hub import WrongContentError
from remerge.downloads.reading import absent, from_folder
from remerge.errors import ConfigError, RemergeError
from remerge.images.audit import contaminated, overlaps, read_hashes
from remerge.images.preparation import prepare, write_split
from remerge.images.store import Description, load_images
from remerge.tasks import shards
from remerge.tasks.clip import CLIP_TASKS, clip_task
from remerge.tasks.folder import labels_of_folders
from remerge.tasks.parquet import read_encoded, read_labels
from remerge.tasks.splits import held_out, membership
from remerge.tasks.torchvision_sets import decoded, labels_of, training_and_test


def png(shade: int, size: tuple[int, int] = (9, 7)) -> bytes:
    content = io.BytesIO()
    Image.new("L", size, shade).save(content, "png")
    return content.getvalue()


EIGHT = ("SUN397", "Cars", "RESISC45", "EuroSAT", "SVHN", "GTSRB", "MNIST", "DTD")
# Classes, templates and test images of every task, as printed by FusionBench; of EMNIST-digits, as torchvision has it.
FACTS = {
    "SUN397": (397, 2, 19850),
    "Cars": (196, 8, 8041),
    "RESISC45": (45, 18, 6300),
    "EuroSAT": (10, 3, 2700),
    "SVHN": (10, 1, 26032),
    "GTSRB": (43, 3, 12630),
    "MNIST": (10, 1, 10000),
    "DTD": (47, 8, 1880),
    "Flowers102": (102, 1, 6149),
    "PCAM": (2, 1, 32768),
    "FER2013": (7, 6, 7178),
    "OxfordIIITPet": (37, 1, 3669),
    "STL10": (10, 2, 8000),
    "CIFAR100": (100, 18, 10000),
    "CIFAR10": (10, 18, 10000),
    "Food101": (101, 1, 25250),
    "FashionMNIST": (10, 2, 10000),
    "EMNIST-letters": (26, 1, 20800),
    "EMNIST-digits": (10, 1, 40000),
    "KMNIST": (10, 1, 10000),
    "RenderedSST2": (2, 1, 1821),
}


def test_the_tasks_are_described() -> None:
    assert set(CLIP_TASKS) == set(FACTS)
    for name, (classes, templates, test) in FACTS.items():
        task = clip_task(name)
        assert len(set(task.classes)) == len(task.classes) == classes
        assert len(set(task.templates)) == len(task.templates) == templates
        assert all(template.count("{}") == 1 for template in task.templates)
        assert all(isinstance(label, str) for label in task.classes)
        assert task.test == test
        assert task.sources
        assert bool(task.repository) == (set(task.files) == {"train", "test"})


def test_every_origin_has_the_tasks_that_its_authors_published() -> None:
    tasks_of = {
        origin: {name for name in CLIP_TASKS if origin in clip_task(name).experts}
        for origin in ("task-vectors", "tall-masks", "tall-masks-leaked", "fusionbench")
    }
    assert tasks_of["task-vectors"] == set(EIGHT)
    assert tasks_of["fusionbench"] == set(FACTS) - {"EMNIST-digits"}
    assert tasks_of["tall-masks"] == tasks_of["tall-masks-leaked"] == set(FACTS) - {"EMNIST-letters"}


def test_the_doctor_knows_how_large_the_download_of_every_task_is() -> None:
    for name in CLIP_TASKS:
        assert (name in HUB_BYTES, name in TORCHVISION_BYTES) == (
            "hub" in clip_task(name).sources,
            "torchvision" in clip_task(name).sources,
        )


def tar_of(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def test_images_in_tar_files_are_read_in_order(tmp_path: Path) -> None:
    first = {"s0.cls": b"2", "s0.jpg": png(1), "s1.jpg": png(2), "s1.cls": b"0\n", "note.txt": b"x"}
    paths = [tar_of(tmp_path / "0.tar", first), tar_of(tmp_path / "1.tar", {"s2.jpg": png(3), "s2.cls": b"1"})]
    assert shards.read_labels(paths, 3).tolist() == [2, 0, 1]
    assert list(shards.read_encoded(paths, np.array([True, False, True]))) == [png(1), png(3)]
    with pytest.raises(RemergeError, match="is no number from 0 to 1"):
        shards.read_labels(paths, 2)
    with pytest.raises(RemergeError, match="3 images for 2 labels"):
        list(shards.read_encoded(paths, np.array([True, True])))
    (tmp_path / "2.tar").write_bytes(b"no tar file")
    with pytest.raises(RemergeError, match=r"2\.tar: not a tar file"):
        shards.read_labels([tmp_path / "2.tar"], 3)


@pytest.mark.parametrize("n", [10, 3760, 26640, 60000])
def test_validation_images_are_the_authors_own(n: int) -> None:
    kept = min(5000, int(0.1 * n))
    whole: Any = range(n)
    theirs = random_split(whole, [n - kept, kept], generator=torch.Generator().manual_seed(0))[1]
    assert held_out(n).tolist() == sorted(theirs.indices)
    parts = [membership(split, n) for split in ("train", "validation")]
    assert (parts[0] ^ parts[1]).all()
    assert membership("test", n).all()


def test_a_draw_of_test_images_mixes_classes_and_leaves_other_splits_alone() -> None:
    small, large = membership("test", 1_000, 100), membership("test", 1_000, 300)
    assert (small.sum(), large.sum()) == (100, 300)
    assert large[small].all()
    # Of ten classes, one after the other in the file, every one is there.
    assert set(np.flatnonzero(small) // 100) == set(range(10))
    assert membership("test", 50, 100).all()
    for split in ("train", "validation"):
        assert (membership(split, 1_000, 100) == membership(split, 1_000)).all()


def write_parquet(path: Path, rows: list[tuple[object, int]], names: tuple[str, str] = ("image", "label")) -> Path:
    images, labels = zip(*rows, strict=True)
    pq.write_table(pa.table({names[0]: list(images), names[1]: list(labels)}), path, row_group_size=3)
    return path


def test_parquet_files_give_labels_and_the_images_asked_for(tmp_path: Path) -> None:
    files = [
        write_parquet(tmp_path / "a.parquet", [({"bytes": png(k), "path": None}, k % 3) for k in range(70)]),
        write_parquet(tmp_path / "b.parquet", [({"bytes": png(k), "path": None}, 0) for k in range(70, 75)]),
    ]
    labels = read_labels(files, 3)
    assert labels.tolist() == [k % 3 for k in range(70)] + [0] * 5
    wanted = np.arange(75) % 7 == 0
    shades = [np.asarray(Image.open(io.BytesIO(each)))[0, 0] for each in read_encoded(files, wanted)]
    assert shades == np.flatnonzero(wanted).tolist()
    bare = write_parquet(tmp_path / "c.parquet", [(png(5), 1)], ("img", "labels"))
    assert read_labels([bare], 2).tolist() == [1]
    assert list(read_encoded([bare], np.ones(1, bool))) == [png(5)]


def test_parquet_files_at_fault_are_named(tmp_path: Path) -> None:
    good = write_parquet(tmp_path / "good.parquet", [(png(0), 4)])
    with pytest.raises(RemergeError, match=r"labels \[4\] are outside 0 to 2"):
        read_labels([good], 3)
    nameless = write_parquet(tmp_path / "nameless.parquet", [(png(0), 0)], ("picture", "kind"))
    with pytest.raises(RemergeError, match=r"nameless\.parquet: has no column label or labels"):
        read_labels([nameless], 3)
    (tmp_path / "cut.parquet").write_bytes(good.read_bytes()[:-20])
    with pytest.raises(RemergeError, match=r"cut\.parquet: not a parquet file"):
        read_labels([tmp_path / "cut.parquet"], 3)
    empty = write_parquet(tmp_path / "empty.parquet", [(None, 0), (png(1), 0)])
    with pytest.raises(RemergeError, match="row 0 of column 'image' holds no encoded image"):
        list(read_encoded([empty], np.ones(2, bool)))
    told = b'{"info": {"features": {"label": {"names": ["a", "b"]}}}}'
    table = pq.read_table(good).replace_schema_metadata({b"huggingface": told})
    pq.write_table(table, tmp_path / "other.parquet")
    with pytest.raises(RemergeError, match="declares 2 classes, the task has 5"):
        read_labels([tmp_path / "other.parquet"], 5)


def test_class_folders_are_matched_by_name_and_never_by_sorting() -> None:
    classes = ("annual crop land", "River Side", "3d-forest")
    assert labels_of_folders(["3D_forest", "annual-crop_land", "river side"], classes) == (2, 0, 1)
    assert labels_of_folders(["0", "1", "2"], classes) == (0, 1, 2)
    assert labels_of_folders(["00", "01", "02"], classes) == (0, 1, 2)
    with pytest.raises(ConfigError, match="unknown: lake; without a folder: River Side"):
        labels_of_folders(["annual crop land", "lake", "3d forest"], classes)
    with pytest.raises(ConfigError, match="without a folder: 3d-forest"):
        labels_of_folders(["annual crop land", "river side"], classes)


def test_a_folder_gives_the_papers_labels(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label, name in enumerate(clip_task("EuroSAT").classes):
            for index in range(2):
                path = tmp_path / split / name.replace(" ", "_") / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(png(20 * label + index))
    read = from_folder(tmp_path, clip_task("EuroSAT").classes, "test")
    shades = [int(prepare(image, 4)[0, 0, 0]) for image in read.encoded]
    assert [shade // 20 for shade in shades] == read.labels.tolist()
    assert len(from_folder(tmp_path, clip_task("EuroSAT").classes, "validation").labels) == 2
    drawn = from_folder(tmp_path, clip_task("EuroSAT").classes, "test", 7)
    shades = [int(prepare(image, 4)[0, 0, 0]) for image in drawn.encoded]
    assert [shade // 20 for shade in shades] == drawn.labels.tolist()
    assert len(shades) == len(set(shades)) == 7


def test_a_split_is_written_with_hashes_and_an_absent_one_says_why(tmp_path: Path) -> None:
    described = Description("task", "test", "real")
    labels = np.array([0, 1, 1, 0])
    encoded = [png(10), png(20), png(10), png(30)]
    write_split(tmp_path / "s", described, labels, encoded, 8, 2, tmp_path / "h")
    read = load_images(tmp_path / "s")
    assert read.images.shape == (4, 8, 8, 3)
    assert read.images[:, 0, 0, 0].tolist() == [10, 20, 10, 30]
    hashes = read_hashes(tmp_path / "h")
    assert hashes[0] == hashes[2]
    assert len(set(hashes)) == 3
    with pytest.raises(RemergeError, match="3 images for 4 labels"):
        write_split(tmp_path / "less", described, labels, encoded[:3], 8, 2)
    assert not (tmp_path / "less").exists()
    gone = absent("nowhere to be had")
    lost = Description("task", "test", "real", gone.missing)
    write_split(tmp_path / "none", lost, gone.labels, gone.encoded, 8, 2)
    assert (len(load_images(tmp_path / "none")), load_images(tmp_path / "none").missing) == (0, "nowhere to be had")


def test_writing_to_loaded_pixels_changes_no_file(tmp_path: Path) -> None:
    write_split(tmp_path / "s", Description("t", "test", "real"), np.array([0]), [png(7)], 8, 1)
    before = (tmp_path / "s").read_bytes()
    load_images(tmp_path / "s").images[:] = 0
    assert (tmp_path / "s").read_bytes() == before


def test_the_audit_counts_images_that_are_in_two_splits() -> None:
    hashes = {
        "A": {"train": ["x", "y", "y"], "validation": ["z"], "test": ["y", "q", "z"]},
        "B": {"train": ["x"], "validation": ["u"], "test": ["v"]},
    }
    audit = overlaps(hashes)
    shared = {(row.task, row.split_a, row.split_b): row.shared for row in audit.itertuples()}
    assert shared["A", "train", "test"] == 1
    assert shared["A", "validation", "test"] == 1
    assert shared["A", "train", "train"] == 1
    assert sum(count for (task, _, _), count in shared.items() if task == "B") == 0
    assert contaminated(audit) == {
        "A": "1 of 3 test images are also in train; 1 of 3 test images are also in validation"
    }
    assert contaminated(pd.DataFrame(columns=audit.columns)) == {}


def test_torchvisions_archives_are_recorded_and_held_against_a_lock_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, root, path = "MNIST/raw/t10k-labels-idx1-ubyte.gz", tmp_path / "root", tmp_path / "record.json"

    def download(task: str, root: Path, *, download: bool) -> None:
        assert (task, download) == ("MNIST", True)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"packed")
        (root / name).with_suffix("").write_bytes(b"unpacked")

    monkeypatch.setattr(archives, "training_and_test", download)
    sha256 = hashlib.sha256(b"packed").hexdigest()
    for pin in (None, {name: sha256}):
        archives.record(path, "MNIST", root, pin=pin)
        assert json.loads(path.read_text())["files"] == {name: sha256}
    with pytest.raises(WrongContentError, match=f"MNIST: .*{name} has the SHA-256 {sha256}, expected is 5{{64}}"):
        archives.record(path, "MNIST", root, pin={name: "5" * 64})
    with pytest.raises(WrongContentError, match=r"MNIST: .*other.gz is not there"):
        archives.record(path, "MNIST", root, pin={"MNIST/raw/other.gz": sha256})
    monkeypatch.setattr(archives, "training_and_test", lambda *_, **__: None)
    (root / name).unlink()
    with pytest.raises(RemergeError, match=r"MNIST: .*\*\.gz is gone"):
        archives.record(path, "MNIST", root)


def test_torchvisions_files_are_read_where_they_lie(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 12), ("t10k", 5)):
        pixels = np.arange(count, dtype=np.uint8)[:, None, None] + np.zeros((1, 28, 28), np.uint8)
        header = np.array([2051, count, 28, 28], ">i4").tobytes()
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        labels = (np.arange(count) % 10).astype(np.uint8)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(np.array([2049, count], ">i4").tobytes() + labels.tobytes())
    training, test = training_and_test("MNIST", tmp_path, download=False)
    assert labels_of(training).tolist() == [k % 10 for k in range(12)]
    assert [np.asarray(image)[0, 0] for image in decoded(test, np.array([1, 4]))] == [1, 4]
    with pytest.raises(RemergeError, match="GTSRB: torchvision cannot provide it under"):
        training_and_test("GTSRB", tmp_path / "nothing", download=False)
