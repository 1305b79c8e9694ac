"""User-defined tasks: images under ``folder/{train,test}/{class}/{image}``, checked before anything runs."""

import hashlib
import html
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import UnidentifiedImageError
from PIL import __version__ as pillow_version

from remerge.errors import ConfigError
from remerge.images.preparation import open_image
from remerge.run.atomic import atomic_path
from remerge.run.progress import ProgressBar
from remerge.run.threads import most_threads

SPLITS = ("train", "test")
MAX_VALIDATION = 5000
FAULTS_SHOWN = 10
PROGRESS_FROM = 2000


@dataclass(frozen=True)
class FolderSummary:
    """Summary of a checked folder.

    Attributes:
        folders: Names of the class folders, sorted: the classes in label order.
        counts: Images per ``split/class``.
        fingerprint: SHA-256 of the images' relative paths and contents; dates do not matter.
    """

    folders: tuple[str, ...]
    counts: dict[str, int]
    fingerprint: str


def inspect_folder(folder: str | Path, cache: str | Path) -> FolderSummary:
    """Check that a folder is a task whose every image can be read.

    Args:
        folder: The task's folder.
        cache: A folder for the summary, so that images are decoded again only if one of them changed.

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
    """Relative path, size and date of every image: they change whenever an image does."""
    name = str(path.relative_to(folder))
    try:
        state = path.stat()
    except OSError:  # a broken link; decoding will report it
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
    classes = {}
    for split in SPLITS:
        if not (folder / split).is_dir():
            raise ConfigError(
                f"{folder}: has no folder {split!r}; expected {folder}/{{train,test}}/{{class}}/{{image}}"
            )
        entries = [entry for entry in (folder / split).iterdir() if not entry.name.startswith(".")]
        for entry in entries:
            if not entry.is_dir():
                raise ConfigError(f"{entry}: is no class folder; expected {folder}/{split}/{{class}}/{{image}}")
        classes[split] = {entry.name for entry in entries}
    for split, other in (SPLITS, SPLITS[::-1]):
        if missing := sorted(classes[other] - classes[split]):
            raise ConfigError(
                f"{folder}: class {', '.join(map(repr, missing))} is in {other} and missing from {split}; "
                "every class needs images in both"
            )
    if len(classes["train"]) < 2:
        raise ConfigError(f"{folder}: found {len(classes['train'])} classes; a task needs at least two")
    return tuple(sorted(classes["train"]))


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
    with ThreadPoolExecutor(most_threads()) as pool:
        results = list(
            ProgressBar(
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
        _checked(path)
        return hashlib.sha256(path.read_bytes()).hexdigest(), ""
    except UnidentifiedImageError:
        return "", f"{path}: not an image"
    # Pillow's decoders can raise almost anything for a malformed file.
    except Exception as error:
        return "", f"{path}: {error or type(error).__name__}"


def _checked(path: Path) -> None:
    """Decode an image in the same way as preparation will, so that no image that passed fails later."""
    if not path.is_file():
        raise ValueError("not a file; images lie directly in their class folder")
    open_image(path)


def class_names(summary: FolderSummary, named: Mapping[str, str] | None) -> tuple[str, ...]:
    """Return the class names in label order: those given, or else the folders' names.

    Raises:
        ConfigError: A folder has no name, a name has no folder, or a name is empty or equals another in a prompt.
    """
    if named is None:
        _check_read_apart(summary.folders)
        return summary.folders
    if wrong := sorted(set(named) ^ set(summary.folders)):
        raise ConfigError(
            f"classes: {', '.join(map(repr, wrong))}: names and class folders must match; "
            f"the folders are: {', '.join(summary.folders)}"
        )
    names = tuple(named[folder] for folder in summary.folders)
    _check_read_apart(names)
    return names


def _check_read_apart(names: Sequence[str]) -> None:
    """Refuse class names that the text tower cannot distinguish: their columns in the zero-shot head would be equal."""
    known: dict[str, str] = {}
    for name in names:
        # As CLIP's tokenizer normalises them.
        read = " ".join(html.unescape(html.unescape(name)).split()).lower()
        # Python reads bytes of a folder's name that are not UTF-8 as surrogates, which cannot be written to a file.
        if not read or any("\ud800" <= character <= "\udfff" for character in name):
            raise ConfigError(f"classes: {name!r} is no name for a prompt; give the folder's class a name here")
        if (other := known.setdefault(read, name)) != name:
            raise ConfigError(
                f"classes: {other!r} and {name!r} differ only in case or blanks, which CLIP does not read; give the "
                "folders' classes different names here"
            )


def labels_of_folders(folders: Sequence[str], classes: Sequence[str]) -> tuple[int, ...]:
    """Return the label of every class folder of a task whose class names are given.

    A folder has the name of the class (ignoring case, blanks, hyphens and underscores) or its label number, so that
    labels never depend on how folders are sorted.

    Raises:
        ConfigError: A folder matches no class, or a class has no folder.
    """
    label = {_letters(name): index for index, name in enumerate(classes)}
    if all(folder.isdecimal() and int(folder) < len(classes) for folder in folders):
        label = {folder: int(folder) for folder in folders}
    else:
        folders = [_letters(folder) for folder in folders]
    unknown = [folder for folder in folders if folder not in label]
    if unknown or len(set(folders)) != len(classes):
        without = [name for name in classes if _letters(name) not in folders]
        raise ConfigError(
            f"class folders must be named as the {len(classes)} classes, or 0 to {len(classes) - 1}; "
            f"unknown: {', '.join(unknown[:FAULTS_SHOWN]) or 'none'}; without a folder: "
            f"{', '.join(without[:FAULTS_SHOWN]) or 'none'}"
        )
    return tuple(label[folder] for folder in folders)


def _letters(name: str) -> str:
    return name.lower().replace("_", " ").replace("-", " ").strip()


@dataclass(frozen=True)
class Listing:
    """The images of one split of a folder, not yet decoded.

    Attributes:
        labels: int64 ``[n]``, indices into the sorted class folders.
        paths: The ``n`` files.
    """

    labels: npt.NDArray[np.int64]
    paths: tuple[Path, ...]


def list_folder(
    folder: str | Path, hold_out: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int64]]
) -> dict[str, Listing]:
    """List a checked folder's images.

    Args:
        folder: The task's folder.
        hold_out: Maps the labels of all training images to the indices of those held out for validation.

    Returns:
        Splits ``train``, ``validation`` and ``test``, each sorted by class and file name.
    """
    folder = Path(folder)
    folders = _class_folders(folder)
    files = {split: [path for path in _images(folder, folders) if path.parent.parent.name == split] for split in SPLITS}
    labels = {
        split: np.array([folders.index(path.parent.name) for path in paths], np.int64) for split, paths in files.items()
    }
    validation = np.isin(np.arange(len(files["train"])), hold_out(labels["train"]))
    return {
        "train": _listing(labels["train"], files["train"], ~validation),
        "validation": _listing(labels["train"], files["train"], validation),
        "test": _listing(labels["test"], files["test"], np.ones(len(files["test"]), bool)),
    }


def _listing(labels: npt.NDArray[np.int64], paths: Sequence[Path], chosen: npt.NDArray[np.bool_]) -> Listing:
    return Listing(labels[chosen], tuple(path for path, yes in zip(paths, chosen, strict=True) if yes))


def stratified(labels: npt.NDArray[np.int64], share: float) -> npt.NDArray[np.int64]:
    """Sample a share of every class with seed 0, at least one image per class and at most 5,000 in all.

    Returns:
        The indices of the images, ascending.
    """
    share = min(share, MAX_VALIDATION / len(labels))
    generator = np.random.Generator(np.random.PCG64(0))
    chosen = []
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        chosen.append(generator.choice(of_class, max(1, int(share * len(of_class))), replace=False))
    return np.sort(np.concatenate(chosen))
