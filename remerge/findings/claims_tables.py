"""Tables of verdicts on claims."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import pandas as pd
from tabulate import tabulate

from remerge.findings.claimed_scores import Scores
from remerge.findings.claims import Claim
from remerge.findings.verdicts import Verdict, counted, judge
from remerge.methods.measured import PUBLISHED_TASKS
from remerge.run.markup import MARKDOWN
from remerge.scoring.coverage import share

COLUMNS = (
    *("id", "claim", "paper", "section", "verdict", "above", "below", "difference", "low", "high", "margin", "n"),
    *("published above", "published below", "source", "caveats"),
)
"""Columns of the table of claims."""


def counts_note(table: pd.DataFrame, total: int) -> str:
    """Say how many claims have each verdict, and how many of ``total`` were not judged."""
    counts = ", ".join(f"{verdict}: {count}" for verdict, count in counted(table["verdict"]).items())
    return f"{counts}; {total - len(table)} of {total} claims need encoders that were not made or merge other tasks."


def caveats(
    verdict: Verdict, flags: Mapping[str, str], encoder: str, origin: str, tasks: Sequence[str] = ()
) -> list[str]:
    """Return caveats: the best encoder, contaminated splits, and numbers published for something else.

    That is for other checkpoints, another number of tasks than the suite's, or other parameters.
    """
    told = [f"best: {name}" for name in verdict.best]
    if contaminated := [task for task in verdict.tasks if task in flags]:
        told.append(f"contaminated split: {', '.join(contaminated)}")
    published = verdict.claim.published
    if published and (published.encoder.split(",")[0].replace("/", "-"), published.origin) != (encoder, origin):
        told.append(f"published for other checkpoints: {published.encoder}, {published.origin}")
    if published and tasks and len(tasks) != PUBLISHED_TASKS:
        told.append(f"published for {PUBLISHED_TASKS} tasks")
    if others := verdict.claim.other_parameters:
        told.append(f"published with other parameters: {', '.join(others)}")
    return told


def claims_table(
    claims: Mapping[str, Claim],
    scores: Scores,
    flags: Mapping[str, str],
    encoder: str,
    origin: str,
    tasks: Sequence[str] = (),
) -> pd.DataFrame:
    """Return one row per claim whose encoders were made.

    Args:
        claims: The claims by id, in order.
        scores: The scores of all encoders.
        flags: By task, what is wrong with its splits.
        encoder: The pool's architecture.
        origin: Origin of its checkpoints.
        tasks: The suite's tasks; caveats name those without images.

    Returns:
        :data:`COLUMNS`; accuracies are in percent; the difference, its interval and the margin are in points.
    """
    judged = {name: judge(claim, scores) for name, claim in claims.items()}
    absent = without_images(scores.tasks(), tasks)
    rows = [
        table_row(name, verdict, caveats(verdict, flags, encoder, origin, tasks) + absent)
        for name, verdict in judged.items()
        if verdict
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def without_images(present: Collection[str], tasks: Sequence[str]) -> list[str]:
    """Return a caveat that names the tasks that were not scored, if there are any."""
    absent = [task for task in tasks if task not in present]
    return [f"{share(present, tasks)} tasks: no images of {', '.join(absent)}"] if absent else []


def table_row(name: str, verdict: Verdict, told: Sequence[str]) -> dict[str, Any]:
    """Return a claim's row, with the columns :data:`COLUMNS`.

    Args:
        name: The claim's id.
        verdict: Its verdict.
        told: The results of :func:`caveats` and :func:`without_images`.
    """
    claim = verdict.claim
    published = claim.published
    return {
        "id": name,
        "claim": claim.statement,
        "paper": claim.paper,
        "section": claim.section,
        "verdict": verdict.verdict,
        "above": verdict.above,
        "below": verdict.below,
        "difference": verdict.difference,
        "low": verdict.low,
        "high": verdict.high,
        "margin": claim.by,
        "n": verdict.n,
        "published above": published.above if published else None,
        "published below": published.below if published else None,
        "source": published.source if published else f"arXiv:{claim.paper}, {claim.section}",
        "caveats": "; ".join(told),
    }


def claims_markdown(table: pd.DataFrame, total: int, reads: str = "images") -> str:
    """Return the verdicts in Markdown, with an explanation of how to read them.

    Args:
        table: The verdicts.
        total: The number of claims, judged or not.
        reads: What is scored, ``images`` or ``texts``.
    """
    one = "an image" if reads == "images" else "a text"
    if table.empty:
        return f"None of {total} claims can be judged: their encoders were not made.\n"
    cells = [
        [
            row["verdict"],
            MARKDOWN.plain(row["claim"]) + (f" (margin {row['margin']:g})" if row["margin"] else ""),
            f"{row['difference']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}]",
            f"{row['above']:.1f} / {row['below']:.1f}",
            _evidence(row),
            MARKDOWN.plain(row["source"]),
            str(row["n"]),
            MARKDOWN.plain(f"arXiv:{row['paper']}, {row['section']}"),
            MARKDOWN.plain(row["caveats"]),
        ]
        for row in table.to_dict("records")
    ]
    headers = ["Verdict", "Claim", "Difference", "Ours", "Published", "Source", "n", "Paper", "Caveats"]
    text = tabulate(cells, headers, tablefmt="github")
    return (
        f"{text}\n\n{counts_note(table, total)} Difference: points of average accuracy, with"
        " a 95 % paired bootstrap interval (10,000 resamples of"
        f" test {reads} within every task; {one} brings all answers to it along). A claim holds if the whole "
        "interval reaches its margin, 0 unless printed, and does not hold if the whole interval is below it. The "
        f"intervals cover the choice of test {reads} only; where a side is the best of several, the best is chosen "
        "anew in every resample. One training seed: the spread between seeds is not in the intervals. n: test "
        f"{reads} compared. Source: where the published numbers were printed (published/sources.csv), or the paper's "
        "section.\n"
    )


def _evidence(row: Mapping[Hashable, Any]) -> str:
    return f"{row['published above']:.1f} / {row['published below']:.1f}" if pd.notna(row["published above"]) else "–"
