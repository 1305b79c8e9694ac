"""A user's own task: images under ``folder/{train,test}/{class}/{image}``, checked before anything runs."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL import __version__ as pillow_version

from remerge.errors import ConfigError
from remerge.files import atomic_path
from remerge.images import ImageSet

SPLITS = ("train", "test")
MAX_VALIDATION = 5000
FAULTS_SHOWN = 10
PROGRESS_FROM = 2000


@dataclass(frozen=True)
class FolderSummary:
    """What a checked folder holds.

    Attributes:
        folders: Names of the class folders, sorted: the classes in label order.
        counts: Images per ``split/class``.
        fingerprint: SHA-256 over the images' relative paths and contents; dates do not enter.
    """

    folders: tuple[str, ...]
    counts: dict[str, int]
    fingerprint: str


def inspect_folder(folder: str | Path, cache: str | Path) -> FolderSummary:
    """Check that a folder is a task whose every image can be read.

    Args:
        folder: The task's folder.
        cache: A folder for what was found, so that images are decoded again only after one of them changed.

    Raises:
        ConfigError: The folder or a split does not exist, a class is missing from a split or has no images,
            there are fewer than two classes, or images cannot be decoded; the message names them.
    """
    folder = Path(folder)
    folders = _class_folders(folder)
    images = list(_images(folder, folders))
    key = json.dumps([pillow_version, str(folder.resolve()), [_state(folder, path) for path in images]])
    remembered = Path(cache) / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
    if summary := _recall(remembered):
        return summary
    content = hashlib.sha256()
    for path, digest in zip(images, _decode_all(folder, images), strict=True):
        content.update(f"{path.relative_to(folder).as_posix()}\0{digest}\n".encode(errors="surrogateescape"))
    counts = Counter(path.parent.relative_to(folder).as_posix() for path in images)
    summary = FolderSummary(folders, dict(counts), content.hexdigest())
    with atomic_path(remembered) as temporary:
        temporary.write_text(json.dumps(asdict(summary)), encoding="utf-8")
    return summary


def _state(folder: Path, path: Path) -> tuple[str, int, int]:
    """What changes whenever an image does: its relative path, size and date."""
    name = str(path.relative_to(folder))
    try:
        state = path.stat()
    except OSError:  # a broken link; decoding will name it
        return name, -1, -1
    return name, state.st_size, state.st_mtime_ns


def _recall(remembered: Path) -> FolderSummary | None:
    try:
        known = json.loads(remembered.read_text(encoding="utf-8"))
        return FolderSummary(tuple(known["folders"]), known["counts"], known["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _class_folders(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; expected {folder}/{{train,test}}/{{class}}/{{image}}")
    found = {}
    for split in SPLITS:
        if not (folder / split).is_dir():
            raise ConfigError(
                f"{folder}: has no folder {split!r}; expected {folder}/{{train,test}}/{{class}}/{{image}}"
            )
        entries = [entry for entry in (folder / split).iterdir() if not entry.name.startswith(".")]
        for entry in entries:
            if not entry.is_dir():
                raise ConfigError(f"{entry}: is no class folder; expected {folder}/{split}/{{class}}/{{image}}")
        found[split] = {entry.name for entry in entries}
    for split, other in (SPLITS, SPLITS[::-1]):
        if missing := sorted(found[other] - found[split]):
            raise ConfigError(
                f"{folder}: class {', '.join(map(repr, missing))} is in {other} and missing from {split}; "
                "every class needs images in both"
            )
    if len(found["train"]) < 2:
        raise ConfigError(f"{folder}: found {len(found['train'])} classes; a task needs at least two")
    return tuple(sorted(found["train"]))


def _images(folder: Path, folders: Sequence[str]) -> Iterator[Path]:
    for split in SPLITS:
        for name in folders:
            paths = sorted(path for path in (folder / split / name).iterdir() if not path.name.startswith("."))
            if not paths:
                raise ConfigError(f"{folder / split / name}: has no images; every class needs images in both splits")
            if split == "train" and len(paths) < 2:
                raise ConfigError(
                    f"{folder / split / name}: has a single image; a class needs one to train and one to validate on"
                )
            yield from paths


def _decode_all(folder: Path, images: Sequence[Path]) -> list[str]:
    from tqdm import tqdm

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(
            tqdm(
                pool.map(_decode, images),
                desc=f"checking {folder}",
                unit="image",
                total=len(images),
                disable=len(images) < PROGRESS_FROM,
            )
        )
    faults = [fault for _, fault in results if fault]
    if faults:
        shown = faults[:FAULTS_SHOWN] + [f"... and {len(faults) - FAULTS_SHOWN} more"] * (len(faults) > FAULTS_SHOWN)
        raise ConfigError(f"{folder}: images that cannot be read; mend or remove them:\n    " + "\n    ".join(shown))
    return [digest for digest, _ in results]


def _decode(path: Path) -> tuple[str, str]:
    """The file's SHA-256, and what is wrong with it, if anything."""
    try:
        _open(path)
        return hashlib.sha256(path.read_bytes()).hexdigest(), ""
    except UnidentifiedImageError:
        return "", f"{path}: not an image"
    # Pillow's decoders raise almost anything at a malformed file.
    except Exception as error:
        return "", f"{path}: {error or type(error).__name__}"


def _open(path: Path) -> Image.Image:
    """Decode an image: upright, 8 bits per channel, opaque; grey stays grey.

    What this refuses, :func:`inspect_folder` reports: no image that passed can fail later.
    """
    if not path.is_file():
        raise ValueError("not a file; images lie directly in their class folder")
    with Image.open(path) as opened:
        if Image.MAX_IMAGE_PIXELS and opened.width * opened.height > Image.MAX_IMAGE_PIXELS:
            raise ValueError(f"{opened.width} x {opened.height} pixels, more than the {Image.MAX_IMAGE_PIXELS} allowed")
        image = ImageOps.exif_transpose(opened)
    if image.mode.startswith("I;16"):
        # Pillow's own conversion cuts off at 255, which turns most of such an image white.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"32 bits per pixel (Pillow's mode {image.mode}); save it with 8 bits per channel")
    if image.mode in ("1", "P", "PA", "LA", "La", "RGBa") or "transparency" in image.info:
        # A palette's indices cannot be interpolated.
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image


def class_names(summary: FolderSummary, named: Mapping[str, str] | None) -> tuple[str, ...]:
    """Return the class names in label order: those given, or else the folders' names.

    Raises:
        ConfigError: A folder has no name, or a name has no folder.
    """
    if named is None:
        return summary.folders
    if wrong := sorted(set(named) ^ set(summary.folders)):
        raise ConfigError(
            f"classes: {', '.join(map(repr, wrong))}: names and class folders must match; "
            f"the folders are: {', '.join(summary.folders)}"
        )
    return tuple(named[folder] for folder in summary.folders)


def read_folder(
    name: str,
    folder: str | Path,
    classes: Sequence[str],
    templates: Sequence[str],
    validation: float,
    size: int = 32,
) -> dict[str, ImageSet]:
    """Decode a folder's images, resized and cropped as CLIP's are.

    The shortest side is resized to ``size`` (bicubic), the centre cropped, and only then is the image
    converted to RGB, as open_clip does. The validation images are a share of every class's training images,
    chosen with seed 0.

    Args:
        name: The task's name.
        folder: Its folder, already checked.
        classes: Class names, in the order of the sorted class folders.
        templates: Prompts.
        validation: Share of the training images that become validation images, at most 5,000 in all.
        size: Side of the square images in pixels.

    Returns:
        Splits ``train``, ``validation`` and ``test``.
    """
    folder = Path(folder)
    folders = _class_folders(folder)
    paths = list(_images(folder, folders))
    labels = np.array([folders.index(path.parent.name) for path in paths], np.int64)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        images = np.stack(list(pool.map(lambda path: _prepare(path, size), paths)))
    training = np.array([path.parent.parent.name == "train" for path in paths])
    held_out = _held_out(labels, training, validation)
    parts = {"train": training & ~held_out, "validation": held_out, "test": ~training}
    return {
        split: ImageSet(images[part], labels[part], tuple(classes), tuple(templates), name, split, "real")
        for split, part in parts.items()
    }


def _held_out(labels: np.ndarray, training: np.ndarray, validation: float) -> np.ndarray:
    share = min(validation, MAX_VALIDATION / training.sum())
    generator = np.random.Generator(np.random.PCG64(0))
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        own = np.flatnonzero(training & (labels == label))
        chosen[generator.choice(own, max(1, int(share * len(own))), replace=False)] = True
    return chosen


def _prepare(path: Path, size: int) -> np.ndarray:
    """Resize, crop and convert as torchvision's ``Resize`` and ``CenterCrop`` do, to the pixel."""
    image = _open(path)
    wide, high = (int(size * side / min(image.size)) for side in image.size)
    left, top = round((wide - size) / 2), round((high - size) / 2)
    resized = image.resize((wide, high), Image.Resampling.BICUBIC)
    return np.asarray(resized.crop((left, top, left + size, top + size)).convert("RGB"))
