"""What the last finished run made. Its report is made last, and the report's record leads to everything it used.

Leftover files of earlier configurations are not in these records.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from remerge.errors import RemergeError
from remerge.run.provenance import FOLDER

REPORT = "report.html"


def sections(results: Path) -> list[dict[str, Any]]:
    """Return what the last finished run shows, as the parameters of its report, by pool and suite.

    Args:
        results: The results folder.

    Raises:
        RemergeError: No run has finished.
    """
    record = record_in(results, REPORT)
    if record is None or "sections" not in record.get("parameters", {}):
        raise RemergeError(
            f"{results}: no finished run: no record of {REPORT}, which is made last; run `snakemake --cores all`"
        )
    return list(record["parameters"]["sections"])


def lineage(results: Path, files: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the records of files, of files made along with them, and of everything they were made from.

    Args:
        results: The results folder.
        files: Paths within it.

    Returns:
        Records by path within the results folder; files without a record are skipped.
    """
    records: dict[str, dict[str, Any]] = {}
    waiting = list(files)
    while waiting:
        name = waiting.pop()
        if name in records or (record := record_in(results, name)) is None:
            continue
        records[name] = record
        waiting += [path for path in map(within, (*record["inputs"], *paths_in(record["output"]))) if path]
    return records


def record_in(results: Path, name: str) -> dict[str, Any] | None:
    """Return the record of a file in a results folder, or None if it is missing or unreadable."""
    path = results / FOLDER / name
    try:
        record = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and {"inputs", "output"} <= record.keys() else None


def within(path: str) -> str | None:
    """Return the path within the results folder of a file that a record names; None if the file is elsewhere."""
    return path.removeprefix("results/") if path.startswith("results/") else None


def paths_in(named: dict[str, Any]) -> list[str]:
    """Return the paths in a record's ``input`` or ``output``, where a name has one path or a list of them."""
    return [path for value in named.values() for path in ([value] if isinstance(value, str) else value)]
