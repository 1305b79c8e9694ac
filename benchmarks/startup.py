"""The seconds that Snakemake measured for the jobs of a run, by rule."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

RULE = re.compile(r"^(?:use )?rule (?:\w+ as )?(?P<rule>\w+)(?: with)?:", re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """One job that has run.

    Attributes:
        rule: The rule it ran by.
        seconds: Wall time, of which imports are a part only where jobs are no forks (``workflow/forks.smk``).
    """

    rule: str
    seconds: float


def measured(jobs: Path, root: Path) -> list[Job]:
    """Return every job that left a benchmark file."""
    rules = rules_of(root)
    found = []
    for file in sorted(jobs.rglob("*.tsv")):
        rule = next(part for part in file.relative_to(jobs).with_suffix("").parts if part in rules)
        with file.open(encoding="utf-8", newline="") as opened:
            (row,) = csv.DictReader(opened, delimiter="\t")
        found.append(Job(rule, float(row["s"])))
    return found


def by_rule(jobs: list[Job]) -> list[tuple[str, float]]:
    """Return the seconds of each rule, the largest first."""
    total: dict[str, float] = {}
    for job in jobs:
        total[job.rule] = total.get(job.rule, 0) + job.seconds
    return sorted(total.items(), key=lambda item: -item[1])


def rules_of(root: Path) -> set[str]:
    """Return the names of all rules."""
    files = (root / "workflow" / "rules").glob("*.smk")
    return {match["rule"] for file in files for match in RULE.finditer(file.read_text(encoding="utf-8"))}
