"""Provenance of every result, one record per file: input hashes, parameters, versions, commit, seed and device.

Records are kept under ``results/provenance/``, at the paths of the files they describe, so that the results themselves
are the same, byte for byte, wherever and whenever they are made.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from remerge import __version__
from remerge.errors import RemergeError
from remerge.run.atomic import atomic_path, remove_leftovers

FOLDER = "provenance"
MERGE_RECORD = "merge-record.json"
"""The record of a merge of checkpoints, which lies beside the result and not in `results/`."""
RULE_OF_MERGES = "remerge merge"
"""What records of such merges give as their rule."""
DOWNLOADS = ("fetch_checkpoint", "fetch_images", "fetch_torchvision", "download_legacy_checkpoint")
"""Rules whose results are records of :mod:`remerge.downloads.records`."""
DAMAGED = ".damaged"
PACKAGES = ("torch", "open_clip_torch", "numpy", "pandas", "pillow", "matplotlib", "snakemake")
UNKNOWN = "unknown"
"""Recorded as the commit where there is no repository, as for an installed wheel."""
READ_AGAIN = 2**29
"""Inputs up to this size in bytes are hashed before every use; larger ones only if their size or date changed."""
PACKAGE = Path(__file__).parent.parent
ROOT = PACKAGE if (PACKAGE / "published").is_dir() else PACKAGE.parent
"""The folder with ``scripts/`` and ``published/``: a checkout, or the package itself if a wheel is installed."""


def forget(paths: Iterable[str]) -> None:
    """Remove the records of files that are about to be made."""
    for path in paths:
        record_of(path).unlink(missing_ok=True)


def refuse_damaged(inputs: Iterable[str]) -> None:
    """Check the inputs of a job.

    Raises:
        RemergeError: An input has changed since it was made. It has been set aside, so that the same command makes it
            again.
    """
    damaged = [path for path in inputs if is_damaged(path, thorough=True)]
    if damaged:
        set_aside(damaged)
        raise RemergeError(f"{', '.join(damaged)}: damaged since made, and set aside; run the same command again")


def record(job: Any) -> None:
    """Write a record of every output of a finished job.

    Args:
        job: The object ``snakemake`` of the script; its parameter ``code`` has the script's name and the digest of the
            code behind it.
    """
    parameters = json.loads(json.dumps(dict(job.params.items()), default=str))
    code = parameters.pop("code")
    of_job = {
        "rule": job.rule,
        "script": code["script"],
        "wildcards": dict(job.wildcards.items()),
        "parameters": parameters,
        "input": {name: _in_project(value) for name, value in _named(job.input).items()},
        "output": _named(job.output),
        "inputs": {path: sha256_of(path) for path in sorted(set(job.input))},
        "code": code["sha256"],
        **_environment(),
    }
    for output in job.output:
        path = Path(output)
        _write_record(path, {"file": str(path), **_contents(path), **of_job})


def record_merge(
    folder: str | Path, parameters: Mapping[str, Any], inputs: Iterable[Path], outputs: Iterable[Path]
) -> None:
    """Write the record of a merge of checkpoints beside its result. It is written last and whole.

    Paths in it are relative to the folder, so that it stays true if the folder is moved with its inputs.

    Args:
        folder: The result's.
        parameters: What was merged and how.
        inputs: The files that were read.
        outputs: The result's files, in the folder.
    """
    read = {Path(os.path.relpath(path, folder)).as_posix(): path for path in inputs}
    of_merge = {
        "rule": RULE_OF_MERGES,
        "parameters": parameters,
        "inputs": {name: sha256_of(path) for name, path in read.items()},
        "input_bytes": {name: path.stat().st_size for name, path in read.items()},
        "outputs": {path.name: _contents(path) for path in outputs},
        **_environment(),
    }
    with atomic_path(Path(folder) / MERGE_RECORD) as temporary:
        temporary.write_text(json.dumps(of_merge, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def damaged_results(results: str | Path) -> list[str]:
    """Return the results that have changed since they were made.

    Only files whose size or date has changed are read. Do not call this while any job is running.
    """
    folder = Path(results)
    records = sorted((folder / FOLDER).rglob("*.json")) if folder.is_dir() else []
    paths = [folder / record.relative_to(folder / FOLDER).with_suffix("") for record in records]
    return [str(path) for path in paths if is_damaged(path)]


def set_aside(paths: Iterable[str]) -> None:
    """Rename results to ``{name}.damaged``, and remove their records."""
    for path in paths:
        # Another job with the same input may already have done this.
        with suppress(FileNotFoundError):
            Path(path).rename(path + DAMAGED)
        record_of(path).unlink(missing_ok=True)


def mend(results: str | Path) -> tuple[list[str], list[str]]:
    """Set damaged results aside and remove leftovers of killed processes. Do not call this while any job is running.

    Returns:
        The names of the damaged results, and of the files that were removed.
    """
    damaged = damaged_results(results)
    set_aside(damaged)
    return damaged, remove_leftovers(results)


def missing_since_set_aside(results: str | Path) -> list[str]:
    """Return the names of damaged results that have not been made again since."""
    names = [str(path).removesuffix(DAMAGED) for path in sorted(Path(results).rglob(f"*{DAMAGED}"))]
    return [name for name in names if not Path(name).exists()]


def is_damaged(path: str | Path, *, thorough: bool = False) -> bool:
    """Return whether a result has changed since it was made.

    Args:
        path: The file; one without a record is never damaged.
        thorough: Whether to read the file even if its size and date match the record, unless it is too large.
    """
    path = Path(path)
    record = read_record(path)
    if record is None or not path.is_file():
        return False
    if _is_untouched(path, record) and not (thorough and record["bytes"] <= READ_AGAIN):
        return False
    return _hash(path) != record["sha256"]


def untouched(paths: Iterable[str]) -> list[str]:
    """Return the results that have the size and date of their records."""
    made = {path: read_record(path) for path in paths if record_of(path).is_file() and Path(path).is_file()}
    return [path for path, of_file in made.items() if of_file and _is_untouched(Path(path), of_file)]


def redate(paths: Iterable[str]) -> None:
    """Write the dates of results into their records, after nothing but the dates has changed."""
    for path in map(Path, paths):
        of_file = _read_json(record_of(path)) | {"mtime_ns": path.stat().st_mtime_ns}
        _write_record(path, of_file)


def record_of(path: str | Path) -> Path:
    """Return the path of a file's record, which need not exist."""
    parts = Path(path).parts
    # Take the last such folder, because the project itself may be inside a folder of that name.
    depth = len(parts) - 1 - parts[::-1].index("results") if "results" in parts else -1
    return Path(*parts[: depth + 1], FOLDER, *parts[depth + 1 :][:-1], parts[-1] + ".json")


def sha256_of(path: str | Path) -> str:
    """Return a file's SHA-256, taken from its record if size and date still match."""
    record = read_record(path)
    if record and _is_untouched(Path(path), record):
        return str(record["sha256"])
    return _hash(Path(path))


def read_record(path: str | Path) -> dict[str, Any] | None:
    """Return the record of a file, or None if it is missing or unreadable."""
    for record in (_read_json(record_of(path)), _in_record_of_merge(Path(path))):
        if isinstance(record, dict) and {"sha256", "bytes", "mtime_ns", "inputs"} <= record.keys():
            return record
    return None


def _in_record_of_merge(path: Path) -> dict[str, Any] | None:
    """The record of a file that was merged from checkpoints, which it shares with the other files of its folder."""
    merge = _read_json(path.parent / MERGE_RECORD)
    try:
        inputs = {os.path.normpath(path.parent / name): digest for name, digest in merge["inputs"].items()}
        return {**merge, **merge["outputs"][path.name], "inputs": inputs}
    except (KeyError, TypeError, AttributeError):
        return None


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def current_commit() -> str:
    """Return the commit of this code, with ``-dirty`` if files have changed since, or :data:`UNKNOWN`."""
    # An installed package may be inside someone else's repository.
    describe = ["git", "--git-dir=.git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        described = subprocess.run(describe, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return UNKNOWN
    return described.stdout.strip() or UNKNOWN


def chain(path: str | Path) -> str:
    """Return what a file was made from, down to downloads and rendered images, as indented text.

    Raises:
        RemergeError: The file or its record does not exist.
    """
    if not Path(path).is_file():
        raise RemergeError(f"{path}: no such file")
    if read_record(path) is None:
        raise RemergeError(f"{path}: no record of how it was made ({record_of(path)}); run snakemake to have it made")
    return "\n".join(_lines(str(path), None, 0, set()))


def _lines(path: str, expected: str | None, depth: int, seen: set[str]) -> Iterator[str]:
    indent = "  " * depth
    record = read_record(path)
    digest = _hash(Path(path)) if Path(path).is_file() else None
    state = _state(digest, expected, record)
    yield f"{indent}{path}  sha256 {(digest or expected or '?')[:16]}{state}"
    if record is None:
        return
    if path in seen:
        yield f"{indent}  (see above)"
        return
    seen.add(path)
    code = f", code {record['code'][:16]}" if "code" in record else ""
    version = f"remerge {record['remerge']} at {record['commit']}{code}"
    yield f"{indent}  by {record['rule']}, {version}, {record['device']}, {record['finished']}"
    if record["parameters"]:
        yield f"{indent}  with {_short(record['parameters'])}"
    if record["rule"] in DOWNLOADS and digest:
        yield from _downloaded(Path(path), indent)
    for source, hashed in record["inputs"].items():
        yield from _lines(source, hashed, depth + 1, seen)


def _state(digest: str | None, expected: str | None, record: Mapping[str, Any] | None) -> str:
    if digest is None:
        return "  (no longer here)"
    if expected is not None and digest != expected:
        return "  (CHANGED since it was used)"
    return "  (CHANGED since it was made)" if record and record["sha256"] != digest else ""


def _downloaded(path: Path, indent: str) -> Iterator[str]:
    record = json.loads(path.read_text(encoding="utf-8"))
    yield f"{indent}  from {record['repository']} at {record['revision']}"
    for name, digest in record["files"].items():
        yield f"{indent}    {name}  sha256 {digest}"
    if record["missing"]:
        yield f"{indent}    missing: {record['missing']}"


def _short(value: Mapping[str, Any], most: int = 300) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else f"{text[:most]} ... ({len(text)} characters)"


def _named(files: Any) -> dict[str, Any]:
    """A job's files by name; files without a name are under the empty name."""
    named = {name: value if isinstance(value, str) else list(value) for name, value in files.items()}
    taken = {path for value in named.values() for path in _listed(value)}
    rest = [path for path in files if path not in taken]
    return named | ({"": rest} if rest else {})


def _in_project(named: Any) -> Any:
    """The paths of the project's files relative to its root, wherever the job ran; results keep the job's paths."""
    if not isinstance(named, str):
        return [_in_project(path) for path in named]
    if named.startswith("results/"):
        return named
    path, root = Path(named).resolve(), ROOT.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else named


def _listed(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _environment() -> dict[str, Any]:
    """What a record says of code, packages, device and time."""
    return {
        "remerge": __version__,
        "commit": current_commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES if _version(name)},
        "device": _device(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _is_untouched(path: Path, record: Mapping[str, Any]) -> bool:
    stat = path.stat()
    return (record["bytes"], record["mtime_ns"]) == (stat.st_size, stat.st_mtime_ns)


def _write_record(path: Path, of_file: Mapping[str, Any]) -> None:
    with atomic_path(record_of(path)) as temporary:
        temporary.write_text(json.dumps(of_file, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _contents(path: Path) -> dict[str, Any]:
    """What a record says of a file that was made."""
    stat = path.stat()
    return {"sha256": _hash(path), "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _device() -> str:
    from remerge.run.devices import device_in_use

    torch, device = sys.modules.get("torch"), device_in_use()
    return torch.cuda.get_device_name() if torch and device == "cuda" else f"{device} ({platform.machine()})"
