"""Image files come back as they were written, and a broken one is never taken for a set of images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from remerge.errors import RemergeError
from remerge.images.store import ImageSet, fingerprint, load_image_sets, load_images, save_images


@pytest.fixture
def image_set() -> ImageSet:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (6, 4, 5, 3)).astype(np.uint8)
    labels = np.array([0, 1, 2, 0, 1, 2])
    return ImageSet(images, labels, 'ß, "t"', "train", "real")


def test_a_set_comes_back(image_set: ImageSet, tmp_path: Path) -> None:
    save_images(tmp_path / "s.safetensors", image_set)
    read = load_images(tmp_path / "s.safetensors")
    assert np.array_equal(read.images, image_set.images)
    assert np.array_equal(read.labels, image_set.labels)
    assert replace(read, images=image_set.images, labels=image_set.labels) == image_set


def test_equal_sets_give_equal_bytes(image_set: ImageSet, tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_images(tmp_path / name, image_set)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_fingerprint_tells_every_change(image_set: ImageSet) -> None:
    other = image_set.images.copy()
    other[3, 2, 1, 0] ^= 1
    variants = [
        replace(image_set, images=other),
        replace(image_set, labels=image_set.labels[::-1]),
    ]
    assert len({fingerprint(each) for each in (image_set, *variants)}) == 3


def test_files_at_fault_are_named(image_set: ImageSet, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    save_images(path, image_set)
    whole = path.read_bytes()
    for broken in (whole[:-10], whole[:5], b"", b"\xff" * 64):
        path.write_bytes(broken)
        with pytest.raises(RemergeError, match=r"s\.safetensors: not an image file"):
            load_images(path)


def test_images_are_drawn_alike_each_time_and_a_larger_draw_has_the_smaller(
    image_set: ImageSet, tmp_path: Path
) -> None:
    save_images(tmp_path / "all.safetensors", image_set)

    def pixels(at_most: int | None) -> list[bytes]:
        images = load_image_sets(["task"], [tmp_path / "all.safetensors"], at_most)["task"]
        labels = {image.tobytes(): label for image, label in zip(image_set.images, image_set.labels, strict=True)}
        assert [labels[image.tobytes()] for image in images.images] == list(images.labels)
        return [image.tobytes() for image in images.images]

    whole = pixels(None)
    assert pixels(len(whole)) == pixels(10 * len(whole)) == whole
    few, more = pixels(len(whole) // 2 - 1), pixels(len(whole) // 2)
    assert len(few) == len(whole) // 2 - 1
    assert set(few) < set(more) < set(whole)
    assert few == pixels(len(whole) // 2 - 1) == [image for image in whole if image in few]
