"""A user's folder of images becomes a task, or is refused with the fault named."""

import io
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from remerge.config import FolderTask, inspect_tasks
from remerge.errors import ConfigError
from remerge.images.preparation import prepare, prepare_all
from remerge.tasks.folder import FolderSummary, class_names, inspect_folder, list_folder, stratified


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
    return "note.png: not an image"


def truncated_jpeg(folder: Path) -> str:
    path = folder / "test" / "circle" / "1.jpg"
    path.write_bytes(path.read_bytes()[:-40])
    return "1.jpg"


def broken_link(folder: Path) -> str:
    (folder / "train" / "circle" / "link.png").symlink_to("nowhere.png")
    return "link.png: not a file"


def folder_among_images(folder: Path) -> str:
    (folder / "train" / "circle" / "more").mkdir()
    return "more: not a file"


def file_among_classes(folder: Path) -> str:
    (folder / "train" / "readme.txt").write_text("hello")
    return "readme.txt: is no class folder"


def a_single_training_image(folder: Path) -> str:
    for path in (folder / "train" / "circle").glob("[1-9].png"):
        path.unlink()
    return "has a single image; a class needs one to train and one to validate on"


def thirty_two_bits(folder: Path) -> str:
    paint(folder / "train" / "circle" / "deep.tif", 1.5, "F")
    return "deep.tif: 32 bits per pixel"


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
    truncated_jpeg,
    text_named_image,
    broken_link,
    folder_among_images,
    file_among_classes,
    a_single_training_image,
    thirty_two_bits,
    one_class,
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_faults_are_named(folder: Path, tmp_path: Path, fault) -> None:  # type: ignore[no-untyped-def]
    message = fault(folder)
    with pytest.raises(ConfigError) as caught:
        inspect_folder(folder, tmp_path / "cache")
    assert message in str(caught.value)
    assert str(folder) in str(caught.value)


def test_an_image_of_too_many_pixels_is_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ConfigError, match=r"0\.png: .*pixels"):
        inspect_folder(folder, tmp_path / "cache")


def test_hidden_files_are_passed_over_and_linked_images_are_read(folder: Path, tmp_path: Path) -> None:
    for hidden in (folder / ".DS_Store", folder / "train" / ".DS_Store", folder / "train" / "circle" / "._0.png"):
        hidden.write_text("no image")
    paint(tmp_path / "elsewhere.png", 5)
    (folder / "test" / "circle" / "link.png").symlink_to(tmp_path / "elsewhere.png")
    summary = inspect_folder(folder, tmp_path / "cache")
    assert summary.counts["train/circle"] == 10
    assert summary.counts["test/circle"] == 4


def test_every_task_at_fault_is_told_with_its_key(folder: Path, tmp_path: Path) -> None:
    tasks = {
        "good": FolderTask(folder=str(folder)),
        "gone": FolderTask(folder=str(tmp_path / "nowhere")),
        "misnamed": FolderTask(folder=str(folder), classes={"circle": "ring", "sqare": "box"}),
    }
    with pytest.raises(ConfigError) as caught:
        inspect_tasks(tasks, {}, tmp_path / "cache")
    assert f"tasks.gone.folder: {tmp_path / 'nowhere'}: no such folder" in str(caught.value)
    assert "tasks.misnamed.classes: 'sqare', 'square'" in str(caught.value)
    assert "tasks.good" not in str(caught.value)
    assert inspect_tasks({"good": tasks["good"]}, {}, tmp_path / "cache")["good"].folders == ("circle", "square")


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


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("Dog", "dog"), "'Dog' and 'dog' differ only in case or blanks"),
        (("a dog", "a dog "), "'a dog' and 'a dog ' differ only in case or blanks"),
        (("&amp;", "&"), "'&' and '&amp;' differ only"),
        ((" ", "dog"), "' ' is no name for a prompt"),
        (("not utf-8 \udcff", "dog"), "is no name for a prompt"),
    ],
)
def test_classes_that_a_prompt_cannot_tell_apart_are_refused(names: tuple[str, ...], told: str) -> None:
    folders = FolderSummary(tuple(sorted(names)), {}, "")
    for named in (None, dict(zip(names, names, strict=True))):
        with pytest.raises(ConfigError, match=re.escape(told)) as caught:
            class_names(folders, named)
        assert str(caught.value).startswith("classes: ")


def test_classes_may_look_like_anything_else(folder: Path, tmp_path: Path) -> None:
    names = ("101", "NA", "null", "a, b", "+", "🙂", "-x", "con", "{}", "x" * 200)
    for split in ("train", "test"):
        for name in names:
            shutil.copytree(folder / split / "circle", folder / split / name)
    summary = inspect_folder(folder, tmp_path / "cache")
    assert set(class_names(summary, None)) == {*names, "circle", "square"}


def fifth(labels: "np.ndarray") -> "np.ndarray":
    return stratified(labels, 0.2)


def test_images_are_listed_with_a_stratified_validation_split(folder: Path) -> None:
    splits = list_folder(folder, fifth)
    assert {name: len(part.paths) for name, part in splits.items()} == {"train": 16, "validation": 4, "test": 6}
    for part in splits.values():
        assert [path.parent.name for path in part.paths] == [("circle", "square")[label] for label in part.labels]
        assert set(part.labels) == {0, 1}
    assert not set(splits["train"].paths) & set(splits["validation"].paths)
    again = list_folder(folder, fifth)
    assert all(again[name].paths == part.paths for name, part in splits.items())


def test_the_centre_is_cropped_and_every_kind_of_image_read(folder: Path) -> None:
    wide = Image.new("RGB", (96, 32), "red")
    wide.paste("blue", (32, 0, 64, 32))
    test = folder / "test"
    wide.save(test / "circle" / "0.jpg", quality=100)
    Image.new("RGBA", (5, 5), (0, 0, 0, 0)).save(test / "circle" / "1.png")
    palette = Image.new("P", (5, 5), 1)
    palette.putpalette([0, 0, 0, 200, 100, 50])
    palette.save(test / "circle" / "2.gif")
    Image.fromarray(np.full((9, 7), 40000, np.uint16)).save(test / "circle" / "3.png")
    paint(test / "circle" / "4.png", 7, "L", (1, 1))
    paint(test / "circle" / "5.png", 1, "1")
    upright = Image.Exif()
    upright[0x0112] = 6  # the camera was turned: rotate by 90 degrees to the right
    turned = Image.new("L", (32, 32), 0)
    turned.paste(255, (0, 0, 32, 16))
    turned.save(test / "circle" / "6.png", exif=upright)
    for path in test.glob("circle/[012].jpg"):
        if path.name != "0.jpg":
            path.unlink()
    images = np.stack(list(prepare_all(list_folder(folder, fifth)["test"].paths, 32, threads=2)))
    assert images[0, 16, 16].tolist()[2] > 200
    assert images[0, 16, 16].tolist()[0] < 50
    for index, color in ((1, [255, 255, 255]), (2, [200, 100, 50]), (3, [156] * 3), (4, [7] * 3), (5, [255] * 3)):
        assert (images[index] == color).all(), index
    assert images[6, 16, 28].tolist() == [255] * 3
    assert images[6, 16, 4].tolist() == [0] * 3


@given(
    wide=st.integers(1, 90),
    high=st.integers(1, 90),
    size=st.sampled_from([8, 31, 32]),
    mode=st.sampled_from(["L", "RGB"]),
)
@settings(max_examples=25)
def test_resizing_and_cropping_equal_torchvision(wide: int, high: int, size: int, mode: str) -> None:
    from torchvision.transforms import (
        CenterCrop,
        Compose,
        InterpolationMode,
        Resize,
    )

    noise = np.random.default_rng(wide * 91 + high).integers(0, 256, (high, wide, len(mode)), np.uint8)
    image = Image.fromarray(noise.squeeze(2) if mode == "L" else noise)
    expected = Compose([Resize(size, InterpolationMode.BICUBIC), CenterCrop(size)])(image).convert("RGB")
    encoded = io.BytesIO()
    image.save(encoded, "png")
    for given_as in (image, encoded.getvalue()):
        assert (prepare(given_as, size) == np.asarray(expected)).all()
