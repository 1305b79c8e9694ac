"""Corruptions are the published ones, and act on original images of any size before these are prepared."""

from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

from remerge.downloads.reading import read_split
from remerge.images.corruptions import CONSTANTS, Corruption, corrupt
from remerge.images.preparation import prepare, prepare_all, write_split
from remerge.images.store import Description, load_images
from remerge.run.resume import KeptImages
from remerge.tasks.folder import list_folder


def all_corrupted(images: npt.NDArray[np.uint8], name: str, severity: int, seed: int) -> npt.NDArray[np.uint8]:
    corruption = Corruption(name, severity, seed)
    return np.stack([corruption(index, image) for index, image in enumerate(images)])


@pytest.mark.parametrize("corruption", CONSTANTS)
def test_corruptions_are_seeded_grow_with_severity_and_leave_their_input_alone(corruption: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    image[:, 5:30, 5:20] = 30
    before = image.copy()
    once, again = all_corrupted(image, corruption, 2, 0), all_corrupted(image, corruption, 2, 0)
    assert (once == again).all()
    assert once.dtype == np.uint8
    assert once.shape == image.shape
    assert (image == before).all()
    assert (all_corrupted(image[:1], corruption, 2, 0) == once[:1]).all(), "depends on its neighbours"
    if corruption in ("gaussian_noise", "impulse_noise", "spatter", "motion_blur"):
        assert (all_corrupted(image, corruption, 2, 1) != once).any()
    change = [np.abs(all_corrupted(image, corruption, severity, 0).astype(float) - image).mean() for severity in (1, 5)]
    assert change[1] > change[0] > 0


def test_constants_are_the_published_ones() -> None:
    """CIFAR-10-C's at severity 2, by which the robustness tables were made."""
    at_two = {name: values[1] for name, values in CONSTANTS.items()}
    assert at_two == {
        "gaussian_noise": 0.06,
        "impulse_noise": 0.02,
        "motion_blur": (6, 1.5),
        "spatter": (0.65, 0.1, 0.8, 0.7, 0.5),
        "contrast": 0.5,
        "jpeg": 65,
        "pixelate": 0.9,
    }


def test_noise_and_contrast_are_as_strong_as_they_say() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    noisy = corrupt(grey, "gaussian_noise", 2, np.random.default_rng(0)) / 255
    assert noisy.std() == pytest.approx(0.06, abs=0.002)
    salted = corrupt(grey, "impulse_noise", 2, np.random.default_rng(0))
    assert (salted != 128).mean() == pytest.approx(0.02, abs=0.002)
    half = grey.copy()
    half[:100] = 28
    flat = corrupt(half, "contrast", 2, np.random.default_rng(0))
    assert np.ptp(flat.astype(int)) == pytest.approx(50, abs=2)


def test_pixelation_leaves_as_little_as_in_the_papers() -> None:
    """Whatever the image's size, no more than 28 x 28 of it are left, in 32 x 32: the quirk behind low accuracies."""
    image = np.random.default_rng(0).integers(0, 256, (224, 300, 3), dtype=np.uint8)
    pixelated = corrupt(image, "pixelate", 2, np.random.default_rng(0))
    assert pixelated.shape == (32, 32, 3)
    for axis in (0, 1):
        # Blown up from 28, four of 31 steps lead to the same pixels.
        assert (np.diff(pixelated.astype(int), axis=axis) == 0).all(axis=(1 - axis, 2)).sum() == 4


@pytest.mark.parametrize("corruption", CONSTANTS)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (3, 5), (301, 200)])
def test_images_of_any_size_can_be_corrupted(corruption: str, size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    corrupted = corrupt(image, corruption, 2, np.random.default_rng(0))
    assert corrupted.shape == ((32, 32, 3) if corruption == "pixelate" else image.shape)
    assert corrupted.dtype == np.uint8


@pytest.mark.parametrize("corruption", CONSTANTS)
@pytest.mark.parametrize("rows", [1, 7, 64])
def test_large_images_are_corrupted_in_strips_without_a_seam(
    corruption: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (65, 30, 3), dtype=np.uint8)
    whole = corrupt(image, corruption, 2, np.random.default_rng(3))
    monkeypatch.setattr("remerge.images.corruptions.VALUES_AT_ONCE", 90 * rows + 1)
    strips = corrupt(image, corruption, 2, np.random.default_rng(3))
    # The mean that contrast is about is summed in another order.
    assert np.abs(strips.astype(int) - whole).max() <= (corruption == "contrast")


def originals(*modes: str) -> list[Image.Image]:
    """Images of different shapes, smooth enough that resizing keeps what is in them."""
    generator = np.random.default_rng(0)
    pixels = [generator.integers(0, 256, (9, 12, 3), dtype=np.uint8) for _ in modes]
    sizes = [(150 + 40 * index, 190) for index in range(len(modes))]
    return [
        Image.fromarray(own).resize(size, Image.Resampling.BICUBIC).convert(mode)
        for own, size, mode in zip(pixels, sizes, modes, strict=True)
    ]


@pytest.mark.parametrize("corruption", CONSTANTS)
def test_the_original_is_corrupted_and_only_then_resized_and_cropped(corruption: str) -> None:
    theirs = Compose([Resize(64, InterpolationMode.BICUBIC), CenterCrop(64)])
    change = Corruption(corruption, 2, 0)
    images = originals("RGB", "L", "CMYK", "RGB")
    prepared = list(prepare_all(images, 64, 2, change))
    for index, (image, own) in enumerate(zip(images, prepared, strict=True)):
        corrupted = change(index, np.asarray(image.convert("RGB")))
        assert (own == np.asarray(theirs(Image.fromarray(corrupted)))).all()
        assert (own != prepare(image, 64)).any()


def test_pixelation_squeezes_the_whole_image_into_the_square() -> None:
    image = np.zeros((40, 120, 3), np.uint8)
    image[:, :20] = 255
    (prepared,) = prepare_all([Image.fromarray(image)], 64, 1, Corruption("pixelate", 2, 0))
    # A sixth at the left, which a crop of the centre would not have shown.
    assert (prepared[:, :9] > 200).all()
    assert (prepared[:, 13:] < 50).all()


def test_noise_on_a_grey_original_is_coloured() -> None:
    (prepared,) = prepare_all([Image.new("L", (80, 64), 128)], 64, 1, Corruption("gaussian_noise", 2, 0))
    assert (prepared[..., 0] != prepared[..., 1]).mean() > 0.9


def test_corrupted_images_that_were_cut_off_go_on_with_the_chance_of_their_place(tmp_path: Path) -> None:
    described = Description("task", "test", "real")
    images, labels = originals(*["RGB"] * 6), np.zeros(6, np.int64)
    change = Corruption("impulse_noise", 2, 0)
    write_split(tmp_path / "whole", described, labels, images, 8, 2, change=change)
    kept = KeptImages(tmp_path / "kept", "a" * 64, (8, 8, 3))
    list(kept.keep(iter(load_images(tmp_path / "whole").images[:3])))
    again = KeptImages(tmp_path / "kept", "a" * 64, (8, 8, 3))
    assert len(again) == 3
    write_split(tmp_path / "resumed", described, labels, iter(images), 8, 2, kept=again, change=change)
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "whole").read_bytes()


def test_the_originals_of_a_folder_task_are_read_in_the_order_of_its_prepared_images(tmp_path: Path) -> None:
    for shade, (split, name) in enumerate(product(("train", "test"), ("square", "circle"))):
        for index in range(3):
            path = tmp_path / split / name / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (9, 7), 50 * shade + index).save(path)
    read = read_split("own", "shapes", "test", ("circle", "square"), None, tmp_path, None)
    listing = list_folder(tmp_path, lambda labels: labels[:1])["test"]
    assert list(read.encoded) == list(listing.paths)
    assert read.labels.tolist() == listing.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_a_task_without_images_stays_without(tmp_path: Path) -> None:
    gone = read_split("none", "MNIST", "test", ("zero",), None, None, None)
    described = Description("MNIST", "test", "real", gone.missing)
    write_split(tmp_path / "none", described, gone.labels, gone.encoded, 8, 2, change=Corruption("jpeg", 2, 0))
    read = load_images(tmp_path / "none")
    assert len(read) == 0
    assert read.missing.startswith("the configuration leaves it out (clip_tasks.MNIST.source: none)")
