"""Archives of data sets that torchvision downloads."""

from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from remerge.downloads.hub import WrongContentError, sha256_of
from remerge.downloads.records import Pin, against, write_record
from remerge.tasks.torchvision_sets import archives, training_and_test


def record(path: str | Path, task: str, root: str | Path, *, pin: Pin | None = None) -> None:
    """Have torchvision download a data set unless it exists, and write names and hashes of archives to a JSON file.

    Args:
        path: The JSON file.
        task: A task that ``torchvision`` can download, according to :class:`remerge.tasks.clip.ClipTask`.
        root: Where torchvision keeps its files.
        pin: The required SHA-256 of archives, by name.

    Raises:
        RemergeError: The archives cannot be downloaded.
        WrongContentError: They differ from the pin; the message names both hashes.
    """
    Path(root).mkdir(parents=True, exist_ok=True)
    with FileLock(Path(root) / f"{task}.lock"):
        training_and_test(task, root, download=True)
    files = {archive.relative_to(root).as_posix(): sha256_of(archive) for archive in archives(task, root)}
    for name, expected in (pin or {}).items():
        if files.get(name) != expected:
            found = f"has the SHA-256 {files[name]}" if name in files else "is not there"
            wrong = f"{task}: {Path(root) / name} {found}, expected is {expected}. Remove it and run again"
            raise against(WrongContentError(wrong, permanent=False), pin)
    content = {"repository": f"torchvision's {task}", "kind": "torchvision", "task": task}
    write_record(path, content | {"revision": version("torchvision"), "files": files, "missing": ""})
