"""What every result came from: input hashes, parameters, versions, commit, seed and device, one record per file.

Records lie under ``results/provenance/`` in the places of the files they tell of, so that results themselves stay the
same, byte for byte, wherever and whenever they are made.
"""

import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from remerge import __version__
from remerge.errors import RemergeError
from remerge.files import atomic_path

FOLDER = "provenance"
PACKAGES = ("torch", "open_clip_torch", "numpy", "pandas", "pillow", "matplotlib", "snakemake")
CODE = ("sources", "algorithm")
"""Names of the inputs that are this project's own files."""


def record(job: Any) -> None:
    """Write a record beside the results of a finished job: to be called last.

    Args:
        job: What Snakemake hands to a script as ``snakemake``.
    """
    code = {path for name in CODE for path in _listed(job.input.get(name))}
    hashes = {path: sha256_of(path) for path in sorted(set(job.input) | code)}
    told = {
        "rule": job.rule,
        "wildcards": dict(job.wildcards.items()),
        "parameters": json.loads(json.dumps(dict(job.params.items()), default=str)),
        "inputs": {path: digest for path, digest in hashes.items() if path not in code},
        "code": hashlib.sha256(json.dumps([hashes[path] for path in sorted(code)]).encode()).hexdigest(),
        "remerge": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES if _version(name)},
        "device": _device(job.resources),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    for output in job.output:
        path = Path(output)
        found = path.stat()
        own = {"file": str(path), "sha256": _hash(path), "bytes": found.st_size, "mtime_ns": found.st_mtime_ns}
        with atomic_path(record_of(path)) as temporary:
            temporary.write_text(json.dumps(own | told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def record_of(path: str | Path) -> Path:
    """Return where the record of a file lies; it need not exist."""
    parts = Path(path).parts
    # The last such folder: the project may itself lie under one of that name.
    depth = len(parts) - 1 - parts[::-1].index("results") if "results" in parts else -1
    return Path(*parts[: depth + 1], FOLDER, *parts[depth + 1 :][:-1], parts[-1] + ".json")


def sha256_of(path: str | Path) -> str:
    """Return a file's SHA-256, from its record while size and date are still the recorded ones."""
    told = read_record(path)
    found = Path(path).stat()
    if told and (told["bytes"], told["mtime_ns"]) == (found.st_size, found.st_mtime_ns):
        return str(told["sha256"])
    return _hash(Path(path))


def read_record(path: str | Path) -> dict[str, Any] | None:
    """Return the record of a file, or None if there is none that can be read."""
    try:
        told = json.loads(record_of(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) and {"sha256", "bytes", "mtime_ns", "inputs"} <= told.keys() else None


def chain(path: str | Path) -> str:
    """Return what a file came from, down to downloads and rendered images, as an indented text.

    Raises:
        RemergeError: There is no such file or no record of it.
    """
    if not Path(path).is_file():
        raise RemergeError(f"{path}: no such file")
    if read_record(path) is None:
        raise RemergeError(f"{path}: no record of how it was made ({record_of(path)}); run snakemake to have it made")
    return "\n".join(_lines(str(path), None, 0, set()))


def _lines(path: str, expected: str | None, depth: int, seen: set[str]) -> Iterator[str]:
    indent = "  " * depth
    told = read_record(path)
    digest = _hash(Path(path)) if Path(path).is_file() else None
    state = _state(digest, expected, told)
    yield f"{indent}{path}  sha256 {(digest or expected or '?')[:16]}{state}"
    if told is None:
        return
    if path in seen:
        yield f"{indent}  (see above)"
        return
    seen.add(path)
    made = f"{told['rule']}, remerge {told['remerge']} at {told['commit']}, code {told['code'][:16]}, {told['device']}"
    yield f"{indent}  by {made}, {told['finished']}"
    if told["parameters"]:
        yield f"{indent}  with {_short(told['parameters'])}"
    if "/downloads/" in path and digest and path.endswith(".json"):
        yield from _downloaded(Path(path), indent)
    for source, hashed in told["inputs"].items():
        yield from _lines(source, hashed, depth + 1, seen)


def _state(digest: str | None, expected: str | None, told: Mapping[str, Any] | None) -> str:
    if digest is None:
        return "  (no longer here)"
    if expected is not None and digest != expected:
        return "  (CHANGED since it was used)"
    return "  (CHANGED since it was made)" if told and told["sha256"] != digest else ""


def _downloaded(path: Path, indent: str) -> Iterator[str]:
    told = json.loads(path.read_text(encoding="utf-8"))
    yield f"{indent}  from {told['repository']} at {told['revision']}"
    for name, digest in told["files"].items():
        yield f"{indent}    {name}  sha256 {digest}"


def _short(value: Mapping[str, Any], most: int = 300) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else f"{text[:most]} ... ({len(text)} characters)"


def _listed(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str:
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        told = subprocess.run(describe, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return told.stdout.strip() or "unknown"


def _device(resources: Any) -> str:
    from remerge.devices import device_for

    torch = sys.modules.get("torch")
    device = device_for(resources) if torch else "cpu"
    return torch.cuda.get_device_name() if torch and device == "cuda" else f"{device} ({platform.machine()})"
