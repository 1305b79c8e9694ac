"""Archives of results: one zip from which tables and figures can be rebuilt without models, images or torch."""

import json
import os
import re
import runpy
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from remerge.errors import RemergeError
from remerge.run.atomic import atomic_path
from remerge.run.last_run import REPORT, lineage, paths_in, within
from remerge.run.provenance import FOLDER, UNKNOWN, current_commit, read_record, sha256_of
from remerge.run.threads import most_threads

SUFFIXES = {".csv", ".md", ".tex", ".svg", ".png", ".html", ".json", ".txt"}
"""What is packed: everything people read, and all scores, coefficients and records; no weights and no images."""
REMADE = (("tables",), ("figures",))
"""What is rebuilt: folders below a pool's folder."""
RECORDED = {"rule", "script", "code", "remerge", "commit", "input", "output", "parameters", "wildcards"}
"""The fields of a record that running its script again needs."""
# A full-size results folder holds a few tens of megabytes of such files.
MOST_BYTES = 4 * 10**9


def pack(results: Path, archive: Path) -> int:
    """Pack tables, figures, report, scores, coefficients and provenance of the last finished run.

    Returns:
        How many files were packed.

    Raises:
        RemergeError: No run has finished.
    """
    records = lineage(results, [REPORT])
    if not records:
        raise RemergeError(f"{results}: no finished run to pack: run `snakemake --cores all` first")
    used = {name for record in records.values() for name in map(within, record["inputs"]) if name}
    names = {name for name in used | set(records) if Path(name).suffix in SUFFIXES and (results / name).is_file()}
    names |= {f"{FOLDER}/{name}.json" for name in records}
    with atomic_path(archive) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(names):
            packed.write(results / name, Path("results") / name)
    return len(names)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive into a folder that holds no results yet.

    Raises:
        RemergeError: It is not an archive of results, would write elsewhere, is too large, or ``folder`` has results.
    """
    if (folder / "results").exists():
        raise RemergeError(f"{folder}/results: is there already; name an empty folder")
    try:
        with zipfile.ZipFile(archive) as packed:
            for entry in packed.infolist():
                parts = Path(entry.filename).parts
                is_link = (entry.external_attr >> 16) & 0o170000 == 0o120000
                if parts[:1] != ("results",) or ".." in parts or is_link or Path(parts[-1]).suffix not in SUFFIXES:
                    raise RemergeError(f"{archive}: {entry.filename!r} is no file of an archive of results")
            if sum(entry.file_size for entry in packed.infolist()) > MOST_BYTES:
                raise RemergeError(f"{archive}: unpacks to more than {MOST_BYTES / 1e9:.0f} GB")
            packed.extractall(folder)
    except (zipfile.BadZipFile, FileNotFoundError) as error:
        raise RemergeError(f"{archive}: not an archive of results ({error})") from error


def rebuild(archive: Path, folder: Path, project: Path) -> tuple[list[str], list[str]]:
    """Unpack an archive and rebuild its tables and figures with their scripts, from the other files in it.

    Args:
        archive: A file that :func:`pack` made.
        folder: An empty folder to unpack into.
        project: The folder that holds ``scripts/``.

    Returns:
        The rebuilt files that are identical byte for byte, and those that differ.

    Raises:
        RemergeError: It is not an archive of results, none of its tables and figures can be rebuilt from it, or a
            script of this version does not understand what another version recorded.
    """
    unpack(archive, folder)
    jobs = {json.dumps(record["output"], sort_keys=True): record for record in _remade(archive, folder)}
    if not jobs:
        raise RemergeError(f"{archive}: has no table or figure with a record and all inputs; pack a finished run again")
    before = Path.cwd()
    same: list[str] = []
    other: list[str] = []
    os.chdir(folder)
    try:
        for record in jobs.values():
            outputs = paths_in(record["output"])
            expected = {path: sha256_of(path) for path in outputs}
            for path in outputs:
                Path(path).unlink()
            with _understood(archive, record):
                runpy.run_path(str(project / record["script"]), init_globals={"snakemake": Job(record, project)})
            for path in outputs:
                (same if sha256_of(path) == expected[path] else other).append(path)
    finally:
        os.chdir(before)
        shutil.rmtree(folder / "logs", ignore_errors=True)
    return sorted(same), sorted(other)


@contextmanager
def _understood(archive: Path, record: dict[str, Any]) -> Iterator[None]:
    """Explain the failure of a script if another version of remerge wrote the record; only that one has its script."""
    try:
        yield
    except Exception as error:
        if record["commit"] == current_commit() != UNKNOWN:
            raise
        raise RemergeError(
            f"{archive}: {', '.join(paths_in(record['output']))}: recorded by remerge {record['remerge']} at "
            f"{record['commit']}, which this version cannot make again ({type(error).__name__}: {error}); rebuild the "
            "archive with the version that recorded it"
        ) from error


def _remade(archive: Path, folder: Path) -> Iterator[dict[str, Any]]:
    """Records of tables and figures whose inputs are all in the archive."""
    for file in sorted((folder / "results" / FOLDER).rglob("*.json")):
        path = folder / "results" / file.relative_to(folder / "results" / FOLDER).with_suffix("")
        record = read_record(path)
        if record and path.relative_to(folder / "results").parts[1:2] in REMADE and path.exists():
            if missing := sorted(RECORDED - record.keys()):
                raise RemergeError(
                    f"{archive}: {file.relative_to(folder)}: has no {', '.join(missing)}; rebuild the archive with "
                    "the version of remerge that recorded it"
                )
            inputs = [source for source in paths_in(record["input"]) if source.startswith("results/")]
            if all((folder / source).exists() for source in inputs):
                _check_places(file, record)
                yield record


def _check_places(file: Path, record: dict[str, Any]) -> None:
    """Refuse a record that would run anything but this project's scripts or write outside the results."""
    outside = [
        path for path in paths_in(record["output"]) if not path.startswith("results/") or ".." in Path(path).parts
    ]
    if outside or not re.fullmatch(r"scripts/\w+\.py", str(record["script"])):
        raise RemergeError(f"{file}: not a record of this workflow: {', '.join(outside) or record['script']}")


def _placed(named: Any, project: Path) -> Any:
    """Paths as seen by a job in the archive's folder."""
    if isinstance(named, str):
        return named if named.startswith("results/") else str(project / named)
    return [_placed(path, project) for path in named]


class Files(list[str]):
    """A job's files or parameters, by position and by name, as Snakemake passes them to scripts."""

    def __init__(self, named: dict[str, Any]) -> None:
        super().__init__(paths_in(named))
        self.named = named

    def __getattr__(self, name: str) -> Any:
        try:
            return self.named[name]
        except KeyError as error:
            raise AttributeError(name) from error

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a name, or a default."""
        return self.named.get(name, default)

    def items(self) -> Any:
        """Names and their values."""
        return self.named.items()


class Values(dict[str, Any]):
    """Wildcards, parameters or resources, also as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error


class Job:
    """The object passed to a script, rebuilt from the record of a finished job."""

    def __init__(self, record: dict[str, Any], project: Path) -> None:
        self.rule = record["rule"]
        # Claims and published numbers are part of the project, not of the results.
        self.input = Files({name: _placed(value, project) for name, value in record["input"].items()})
        self.output = Files(record["output"])
        self.params = Values(record["parameters"] | {"code": {"script": record["script"], "sha256": record["code"]}})
        self.wildcards = Values(record["wildcards"])
        self.resources = Values()
        self.threads = most_threads()
        self.log = ["logs/rebuild.log"]
