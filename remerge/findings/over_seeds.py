"""Claims and averages over training seeds, for pools that differ only in the seed, from score files alone."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tabulate import tabulate

from remerge.findings.claimed_scores import Scores
from remerge.findings.claims import Claim
from remerge.findings.claims_tables import COLUMNS, caveats, counts_note, table_row, without_images
from remerge.findings.tables import Row, divider, in_blocks
from remerge.findings.verdicts import judge_over_seeds
from remerge.methods.registry import SHARED_AND_PARTS
from remerge.run.markup import MARKDOWN
from remerge.scoring.coverage import count_merged
from remerge.scoring.scores import average_accuracy, merged_tasks

MARKS = {"holds": "✓", "does not hold": "✗", "undecided": "?"}
NOT_JUDGED = "·"
ELSEWHERE = ("best: ", "published ")
"""Prefixes of caveats without a column: parentheses mark published numbers of other encoders; the CSV has them all."""


def by_seed(files: Sequence[str], seeds: Mapping[str, int]) -> dict[int, Sequence[str]]:
    """Group by seed the files that a job lists pool by pool, in the order of ``seeds``, the same number for each."""
    each = len(files) // len(seeds)
    return {seed: files[place * each : (place + 1) * each] for place, seed in enumerate(seeds.values())}


def scores_by_seed(
    inputs: Mapping[str, Any], params: Mapping[str, Any], results: Path = Path("results")
) -> dict[int, Scores]:
    """Return the scores that the job of the claims over seeds declares, by seed.

    Args:
        inputs: As for :meth:`remerge.findings.claimed_scores.Scores.declared`; each name lists the files of all pools,
            pool by pool.
        params: As there, and ``seeds``, the seed of each pool in the same order.
        results: The results folder.
    """
    files = {name: by_seed(inputs[name], params["seeds"]) for name in ("scores", "sweeps", "trajectories", "studies")}
    return {
        seed: Scores.declared({name: own[seed] for name, own in files.items()}, params, results)
        for seed in params["seeds"].values()
    }


def claims_over_seeds(
    claims: Mapping[str, Claim],
    scores: Mapping[int, Scores],
    verdicts: Mapping[int, pd.DataFrame],
    flags: Mapping[str, str],
    encoder: str,
    origin: str,
    tasks: Sequence[str] = (),
) -> pd.DataFrame:
    """Return one row per claim that can be judged for some seed.

    Args:
        claims: The claims by id, in order.
        scores: The scores of all encoders, by training seed.
        verdicts: The result of :func:`remerge.findings.claims_tables.claims_table` for each seed.
        flags: By task, what is wrong with its splits.
        encoder: The pools' architecture.
        origin: Origin of their checkpoints.
        tasks: The suite's tasks; caveats name those without images.

    Returns:
        :data:`remerge.findings.claims_tables.COLUMNS`, with accuracies and difference averaged over seeds; ``seeds``,
        how many there are for the claim; and for each seed ``seed {seed}``, its verdict, and ``difference {seed}``.
    """
    words = {seed: dict(zip(table["id"], table["verdict"], strict=True)) for seed, table in verdicts.items()}
    judged = {name: judge_over_seeds(claim, scores) for name, claim in claims.items()}
    absent = without_images({task for own in scores.values() for task in own.tasks()}, tasks)
    rows = [
        table_row(name, verdict, caveats(verdict, flags, encoder, origin, tasks) + absent)
        | {"seeds": len(verdict.differences)}
        | {f"seed {seed}": own.get(name) for seed, own in words.items()}
        | {f"difference {seed}": verdict.differences.get(seed) for seed in scores}
        for name, verdict in judged.items()
        if verdict
    ]
    return pd.DataFrame(rows, columns=None if rows else COLUMNS)


def claims_over_seeds_markdown(table: pd.DataFrame, seeds: list[int], total: int, seeded: str) -> str:
    """Return the verdicts in Markdown, with an explanation of how to read them.

    Args:
        table: The result of :func:`claims_over_seeds`.
        seeds: All training seeds.
        total: Number of claims.
        seeded: What the seed changes, in words.
    """
    if table.empty:
        return f"None of {total} claims can be judged: their encoders were not made.\n"
    cells = [
        [
            row["verdict"],
            MARKDOWN.plain(row["claim"] if not row["margin"] else f"{row['claim']} (margin {row['margin']:g})"),
            " ".join(MARKS.get(row[f"seed {seed}"], NOT_JUDGED) for seed in seeds),
            _difference(row, len(seeds)),
            _published(row),
            MARKDOWN.plain("; ".join(text for text in row["caveats"].split("; ") if not text.startswith(ELSEWHERE))),
        ]
        for row in table.to_dict("records")
    ]
    headers = ["Verdict", "Claim", f"Seed {' '.join(map(str, seeds))}", "Ours, points [95 %]", "Published", "Caveats"]
    if not any(row[-1] for row in cells):
        cells, headers = [row[:-1] for row in cells], headers[:-1]
    marks = ", ".join(f"{mark} {word}" for word, mark in MARKS.items())
    return (
        f"{_laid_out(cells, headers)}\n\n{counts_note(table, total)} By seed, each judged alone: "
        f"{marks}, {NOT_JUDGED} not judged. Ours: the difference in points of average accuracy, its mean over "
        f"{len(seeds)} training seeds unless fewer are named, "
        "and its 95 % interval, which covers both the seed and the choice of test images (of a single seed, images "
        "alone): a two-level bootstrap of 10,000 resamples, widened by Student's t because seeds are few; an image "
        "brings all answers to it along, and the best of several is chosen anew for every seed and resample. A claim "
        "holds if the whole interval reaches its margin, 0 unless printed, and does not hold if the whole interval is "
        f"below it. Another seed changes {seeded}. The intervals do not cover other tasks, architectures or settings. "
        "Published: the papers' difference, in parentheses where checkpoints or parameters were others.\n"
    )


def _difference(row: Mapping[Hashable, Any], seeds: int) -> str:
    fewer = "" if row["seeds"] == seeds else f" (seeds: {row['seeds']})"
    return f"{row['difference']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}]{fewer}"


def _published(row: Mapping[Hashable, Any]) -> str:
    unknown = pd.isna(row["published above"])
    difference = "–" if unknown else f"{row['published above'] - row['published below']:+.1f}"
    elsewhere = any(caveat.startswith("published ") for caveat in row["caveats"].split("; "))
    return f"({difference})" if elsewhere else difference


def main_over_seeds(scores: Mapping[int, pd.DataFrame], methods: Mapping[str, Row], tasks: list[str]) -> pd.DataFrame:
    """Return one row per method: its average accuracy with each training seed, their mean and standard deviation.

    A method's averages are over the tasks that were scored with every seed.

    Args:
        scores: Test scores of all methods of one suite, by seed.
        methods: Rows in order; the table has them block by block.
        tasks: The suite's tasks.

    Returns:
        Columns ``method``; if there are methods with parts, ``block``; per seed ``seed {seed}``; ``mean`` (percent),
        ``deviation`` (points; sample standard deviation with divisor n - 1) and ``tasks``, the number of tasks
        averaged; if an encoder merges, or was trained on, only some of the tasks, also ``merged``, such as ``a+b``.
    """
    rows = []
    has_parts = any(method.block == SHARED_AND_PARTS for method in methods.values())
    for name, method in in_blocks(methods).items():
        own = {seed: frame[frame["method"] == name] for seed, frame in scores.items()}
        shared = [task for task in tasks if all(task in set(frame["task"]) for frame in own.values())]
        row: dict[str, Any] = {"method": method.label} | ({"block": method.block} if has_parts else {})
        for seed, frame in own.items():
            average = average_accuracy(frame[frame["task"].isin(shared)], ["method"])["average"]
            row[f"seed {seed}"] = average.iloc[0] if shared else None
            if merged := merged_tasks(frame):
                row["merged"] = merged
        averages = pd.Series([row[f"seed {seed}"] for seed in scores], dtype=float)
        rows.append(row | {"mean": averages.mean(), "deviation": averages.std(), "tasks": len(shared)})
    return pd.DataFrame(rows)


def main_over_seeds_markdown(table: pd.DataFrame, seeds: list[int], tasks: int, seeded: str) -> str:
    """Return the averages in Markdown, with one decimal, and the number of tasks where some are missing.

    Args:
        table: The result of :func:`main_over_seeds`.
        seeds: All training seeds.
        tasks: Number of tasks in the suite.
        seeded: What the seed changes, in words.
    """
    columns = [*(f"seed {seed}" for seed in seeds), "mean", "deviation"]
    cells = [
        [
            MARKDOWN.plain(row["method"]) + _fewer(row, tasks),
            *("–" if pd.isna(row[column]) else f"{row[column]:.1f}" for column in columns),
        ]
        for row in table.to_dict("records")
    ]
    if "block" in table and (first := list(table["block"]).index(SHARED_AND_PARTS)):
        cells.insert(first, divider(SHARED_AND_PARTS, len(columns) + 1))
    headers = ["Average accuracy", *(f"Seed {seed}" for seed in seeds), "Mean", "SD"]
    return (
        f"{_laid_out(cells, headers)}\n\nAverage accuracy in percent on test images. SD: standard deviation over "
        f"{len(seeds)} training seeds, in points. Another seed changes {seeded}."
        f"{' Compare encoders of fewer tasks with each other only.' if 'merged' in table else ''}\n"
    )


def _fewer(row: Mapping[Hashable, Any], tasks: int) -> str:
    """As in the main table: how many tasks an encoder merges, and over how many it is averaged."""
    merged = row.get("merged")
    made = f" ({count_merged(merged, tasks)}/{tasks} tasks)" if isinstance(merged, str) else ""
    return made + ("" if row["tasks"] == tasks else f" ({row['tasks']}/{tasks})")


def _laid_out(cells: list[list[str]], headers: list[str]) -> str:
    return tabulate(cells, headers, tablefmt="github", disable_numparse=True)
