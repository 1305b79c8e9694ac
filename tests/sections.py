"""A section of the report with made-up scores, in files as the workflow writes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from remerge.findings.claims_tables import COLUMNS, claims_markdown
from remerge.findings.cost import cost_table_markdown
from remerge.findings.section import Section
from remerge.findings.tables import Row, main_table, main_table_latex, main_table_markdown, write_csv, write_text
from remerge.scoring.scores import write_scores

N = 1000

METHODS: dict[str, dict[str, Any]] = {
    "pre": {"label": "Pretrained", "algorithm": "pretrained", "looks": "pretrained", "uses": []},
    "ind": {"label": "Individual", "algorithm": "individual", "looks": "individual", "uses": []},
    "avg": {"label": "Averaging", "algorithm": "weight_averaging", "looks": "weight_averaging", "uses": []},
    "ties": {"label": "TIES <b>", "algorithm": "ties", "looks": "ties", "uses": []},
    "ada": {
        "label": "AdaMerging",
        "algorithm": "adamerging",
        "looks": "adamerging layer",
        "uses": ["unlabeled test images"],
    },
    "emr": {"label": "EMR", "algorithm": "emr", "looks": "parts", "uses": []},
}
"""A reference of both kinds, merged encoders with and without data, and a method that keeps parts."""

ACCURACIES = {"pre": 40.0, "ind": 90.0, "avg": 60.0, "ties": 65.0, "ada": 70.0, "emr": 80.0}


def make_section(
    results: Path,
    accuracies: Mapping[str, Sequence[float] | float] = ACCURACIES,
    tasks: Sequence[str] = ("digits", "greek"),
    scored: Sequence[str] | None = None,
    merged: Mapping[str, str] | None = None,
    **more: Any,
) -> Section:
    """Write a main table and return the section that shows it.

    Args:
        results: The results folder.
        accuracies: Accuracy in percent of every method, on all tasks or one after another.
        tasks: The suite's tasks.
        scored: The tasks that have images; all if not given.
        merged: The tasks that a method merges, such as ``a+b``, if not all.
        more: What else the section has; files are added to ``tables``.
    """
    scored, tables = list(tasks if scored is None else scored), results / more.get("pool", "p") / "tables/s"
    tables.mkdir(parents=True, exist_ok=True)
    scores = score_rows(accuracies, tasks, scored, merged or {})
    methods = {name: METHODS[name] for name in accuracies}
    rows = {name: Row(row["label"], row["algorithm"], row["uses"]) for name, row in methods.items()}
    table, origins = main_table(scores, rows, tasks), dict.fromkeys(tasks, "real")
    write_csv(tables / "main.csv", table)
    write_text(tables / "main.md", main_table_markdown(table, rows, origins, {}))
    write_text(tables / "main.tex", main_table_latex(table, rows, origins, {}))
    main = {"main": [str(tables / f"main.{suffix}") for suffix in ("md", "csv", "tex")]}
    given: dict[str, Any] = {
        "pool": "p",
        "suite": "s",
        "tasks": tasks,
        "about": ["Made up."],
        "figures": {},
        "flags": {},
    }
    return Section(**(given | {"methods": methods, "tables": main | more.pop("tables", {})} | more))


def score_rows(
    accuracies: Mapping[str, Sequence[float] | float],
    tasks: Sequence[str],
    scored: Sequence[str],
    merged: Mapping[str, str],
) -> pd.DataFrame:
    """Return test scores of every method on the tasks that have images."""
    rows = []
    for method, percent in accuracies.items():
        each = [percent] * len(tasks) if isinstance(percent, float | int) else percent
        rows += [
            {"method": method, "merged": merged.get(method), "task": task, "split": "test", "n": N}
            | {"correct": round(N * value / 100)}
            for task, value in zip(tasks, each, strict=True)
            if task in scored
        ]
    return pd.DataFrame(rows, columns=["method", "merged", "task", "split", "n", "correct"])


def claim(name: str, verdict: str, low: float, high: float, **more: Any) -> dict[str, Any]:
    """Return a row of the table of claims."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    middle = (low + high) / 2
    row |= {
        "id": name,
        "claim": f"{name} is better.",
        "paper": "2212.04089",
        "section": "Section 4",
        "verdict": verdict,
    }
    row |= {
        "above": 60.0 + middle,
        "below": 60.0,
        "difference": middle,
        "low": low,
        "high": high,
        "margin": 0.0,
        "n": 10,
    }
    return row | {"source": "there", "caveats": ""} | more


def add_claims(results: Path, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Write verdicts, and return them as a table of a section."""
    table, folder = pd.DataFrame(rows, columns=COLUMNS), results / "p/tables/s"
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "claims.csv", table)
    write_text(folder / "claims.md", claims_markdown(table, len(table)))
    return {"claims": [str(folder / f"claims.{suffix}") for suffix in ("md", "csv")]}


def add_cost(results: Path, seconds: Mapping[str, float]) -> dict[str, list[str]]:
    """Write what methods took, by label, and return it as a table of a section."""
    folder = results / "p/tables/s"
    folder.mkdir(parents=True, exist_ok=True)
    columns = {"memory": 1.0, "shared": 1.0, "per_task": 0.0, "more_per_image": 0.0, "task_name": None, "uses": ""}
    table = pd.DataFrame([{"method": label, "seconds": value} | columns for label, value in seconds.items()])
    write_csv(folder / "cost.csv", table)
    write_text(folder / "cost.md", cost_table_markdown(table))
    return {"cost": [str(folder / f"cost.{suffix}") for suffix in ("md", "csv")]}


def add_curve(
    results: Path, need: str, along: str, curves: Mapping[str, Mapping[float, float]]
) -> dict[str, list[str]]:
    """Write a score file per method along a parameter, with accuracy in percent, and return them as evidence."""
    paths = []
    for method, curve in curves.items():
        path = results / f"p/{need}/s/{method}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [
            {"pool": "p", "suite": "s", "method": method, along: value, "task": task, "split": "test", "n": N}
            | {"correct": round(N * percent / 100)}
            for value, percent in curve.items()
            for task in ("digits", "greek")
        ]
        write_scores(path, pd.DataFrame(rows))
        paths.append(str(path))
    return {need: paths}
