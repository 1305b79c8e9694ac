"""What starting a job costs: the imports of its script, against the seconds that Snakemake measured for it."""

import ast
import csv
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

RULE = re.compile(r"^(?:rule (?P<rule>\w+)|use rule (?P<base>\w+) as (?P<derived>\w+) with):", re.MULTILINE)
SCRIPT = re.compile(r"^    script:\s*\"../../(?P<script>scripts/\w+\.py)\"", re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """One job that has run.

    Attributes:
        rule: The rule it ran by.
        seconds: Wall time.
        imports: Wall time that its script's imports take when two processes run them at once, as jobs do.
    """

    rule: str
    seconds: float
    imports: float


def measured(jobs: Path, root: Path) -> list[Job]:
    """Return every job that left a benchmark file."""
    scripts = scripts_of(root)
    found = []
    for file in sorted(jobs.rglob("*.tsv")):
        rule = next(part for part in file.relative_to(jobs).with_suffix("").parts if part in scripts)
        with file.open(encoding="utf-8", newline="") as opened:
            (row,) = csv.DictReader(opened, delimiter="\t")
        found.append(Job(rule, float(row["s"]), import_seconds(root / scripts[rule])))
    return found


def by_rule(jobs: list[Job]) -> list[tuple[str, float]]:
    """Return the seconds of each rule's work without imports, the largest first."""
    total: dict[str, float] = {}
    for job in jobs:
        total[job.rule] = total.get(job.rule, 0) + max(0.0, job.seconds - job.imports)
    return sorted(total.items(), key=lambda item: -item[1])


def scripts_of(root: Path) -> dict[str, str]:
    """Return each rule's script; a rule that uses another has the other's."""
    scripts: dict[str, str] = {}
    for file in sorted((root / "workflow" / "rules").glob("*.smk")):
        text = file.read_text(encoding="utf-8")
        heads = list(RULE.finditer(text))
        for head, end in zip(heads, [*(h.start() for h in heads[1:]), len(text)], strict=False):
            if head["rule"]:
                if script := SCRIPT.search(text, head.end(), end):
                    scripts[head["rule"]] = script["script"]
            else:
                scripts[head["derived"]] = scripts[head["base"]]
    return scripts


@cache
def import_seconds(script: Path) -> float:
    """Time a script's imports, in two processes at once."""
    body = ast.parse(script.read_text(encoding="utf-8")).body
    code = "\n".join(ast.unparse(node) for node in body if isinstance(node, ast.Import | ast.ImportFrom))
    begin = time.perf_counter()
    pair = [
        subprocess.Popen([sys.executable, "-c", code], env={"PYTHONPATH": str(script.parent.parent)}) for _ in range(2)
    ]
    if any(process.wait() for process in pair):
        raise SystemExit(f"{script}: its imports fail")
    return time.perf_counter() - begin
