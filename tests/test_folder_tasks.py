"""A user's folder of images becomes a task, or is refused with the fault named."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from remerge.errors import ConfigError
from remerge.tasks.folder import class_names, inspect_folder, read_folder


def paint(path: Path, color: object = 128, mode: str = "L", size: tuple[int, int] = (20, 14)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, shade in (("circle", 10), ("square", 200)):
        for index in range(10):
            paint(tmp_path / "task" / "train" / name / f"{index}.png", shade + index)
        for index in range(3):
            paint(tmp_path / "task" / "test" / name / f"{index}.jpg", shade + index)
    return tmp_path / "task"


def test_a_good_folder_is_counted(folder: Path, tmp_path: Path) -> None:
    summary = inspect_folder(folder, tmp_path / "cache")
    assert summary.folders == ("circle", "square")
    assert summary.counts == {"train/circle": 10, "train/square": 10, "test/circle": 3, "test/square": 3}


def test_the_fingerprint_follows_content_and_not_dates(folder: Path, tmp_path: Path) -> None:
    first = inspect_folder(folder, tmp_path / "cache").fingerprint
    os.utime(folder / "train" / "circle" / "0.png", (1, 1))
    assert inspect_folder(folder, tmp_path / "cache").fingerprint == first
    paint(folder / "train" / "circle" / "0.png", 99)
    assert inspect_folder(folder, tmp_path / "cache").fingerprint != first


def test_what_was_found_is_remembered_and_a_broken_memory_is_not_trusted(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    summary = inspect_folder(folder, cache)
    with monkeypatch.context() as patch:
        patch.setattr("remerge.tasks.folder._decode", lambda path: pytest.fail(f"{path} was decoded again"))
        assert inspect_folder(folder, cache) == summary
    for remembered in cache.iterdir():
        remembered.write_text("{")
    assert inspect_folder(folder, cache) == summary


def missing(folder: Path) -> str:
    folder.rename(folder.parent / "moved")
    return "no such folder"


def without_test(folder: Path) -> str:
    (folder / "test").rename(folder / "tests")
    return "has no folder 'test'"


def class_missing_from_test(folder: Path) -> str:
    (folder / "test" / "square").rename(folder.parent / "elsewhere")
    return "class 'square' is in train and missing from test"


def class_missing_from_train(folder: Path) -> str:
    paint(folder / "test" / "star" / "0.png")
    return "class 'star' is in test and missing from train"


def empty_class(folder: Path) -> str:
    for path in (folder / "test" / "square").iterdir():
        path.unlink()
    return "square: has no images"


def truncated(folder: Path) -> str:
    path = folder / "train" / "circle" / "3.png"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return "3.png"


def text_named_image(folder: Path) -> str:
    (folder / "train" / "circle" / "note.png").write_text("not an image")
    return "note.png"


def bomb(folder: Path) -> str:
    paint(folder / "train" / "circle" / "huge.png", 0, "1", (20000, 20000))
    return "huge.png"


def one_class(folder: Path) -> str:
    for split in ("train", "test"):
        (folder / split / "square").rename(folder.parent / f"{split}-square")
    return "needs at least two"


FAULTS = (
    missing,
    without_test,
    class_missing_from_test,
    class_missing_from_train,
    empty_class,
    truncated,
    text_named_image,
    bomb,
    one_class,
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_faults_are_named(folder: Path, tmp_path: Path, fault) -> None:  # type: ignore[no-untyped-def]
    message = fault(folder)
    with pytest.raises(ConfigError) as caught:
        inspect_folder(folder, tmp_path / "cache")
    assert message in str(caught.value)
    assert str(folder) in str(caught.value)


def test_many_unreadable_images_are_abbreviated(folder: Path, tmp_path: Path) -> None:
    for index in range(15):
        (folder / "train" / "circle" / f"bad{index}.png").write_text("x")
    with pytest.raises(ConfigError, match="and 5 more"):
        inspect_folder(folder, tmp_path / "cache")


def test_class_names_are_the_folders_or_those_given(folder: Path, tmp_path: Path) -> None:
    summary = inspect_folder(folder, tmp_path / "cache")
    assert class_names(summary, None) == ("circle", "square")
    assert class_names(summary, {"square": "a box", "circle": "a ring"}) == ("a ring", "a box")
    with pytest.raises(ConfigError, match="'sqare', 'square'"):
        class_names(summary, {"sqare": "a box", "circle": "a ring"})


def test_images_become_arrays_with_a_stratified_validation_split(folder: Path) -> None:
    splits = read_folder("shapes", folder, ("circle", "square"), ("a {}.",), 0.2)
    assert {name: len(part) for name, part in splits.items()} == {"train": 16, "validation": 4, "test": 6}
    for part in splits.values():
        assert part.images.shape[1:] == (32, 32, 3)
        assert set(part.labels) == {0, 1}
        assert part.origin == "real"
    shades = [set(part.images[:, 16, 16, 0].tolist()) for name, part in splits.items() if name != "test"]
    assert not shades[0] & shades[1], "an image is in train and in validation"
    again = read_folder("shapes", folder, ("circle", "square"), ("a {}.",), 0.2)
    assert all(np.array_equal(again[name].images, part.images) for name, part in splits.items())


def test_the_centre_is_cropped_and_transparency_lies_on_white(folder: Path) -> None:
    wide = Image.new("RGB", (96, 32), "red")
    wide.paste("blue", (32, 0, 64, 32))
    wide.save(folder / "test" / "circle" / "0.jpg", quality=100)
    Image.new("RGBA", (5, 5), (0, 0, 0, 0)).save(folder / "test" / "circle" / "1.png")
    Image.new("P", (5, 5), 3).save(folder / "test" / "circle" / "2.gif")
    paint(folder / "test" / "square" / "tiny.png", 7, "L", (1, 1))
    test = read_folder("shapes", folder, ("circle", "square"), ("a {}.",), 0.2)["test"]
    assert test.images[0, 16, 16, 2] > 200
    assert test.images[0, 16, 16, 0] < 50
    whites = [image for image in test.images if (image == 255).all()]
    assert len(whites) == 1
