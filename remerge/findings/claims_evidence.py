"""Claims as the report shows them: verdict, interval, and what part of the page and which files it rests on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from remerge.findings.claims import Claim, OfBest, OfMethod, OfStudy, OfSweep, OfTrajectory, Side, of_run
from remerge.findings.section import Section
from remerge.findings.sentences import judged, printed_differences
from remerge.methods.measured import Measured


@dataclass(frozen=True)
class Evidence:
    """What one side of a claim rests on.

    Attributes:
        says: What it is, in words.
        part: The part of the section that shows it.
        files: The files of its scores, within the results folder.
    """

    says: str
    part: str
    files: tuple[str, ...]


def claims_shown(
    section: Section, claims: Mapping[str, Claim], measured: Mapping[str, Mapping[str, Measured]]
) -> list[dict[str, Any]]:
    """Return every judged claim with its verdict, numbers, place of its interval on a common scale, and evidence.

    Args:
        section: The section.
        claims: The claims by id; those that are not among them have no evidence.
        measured: Settings with which published methods were measured, by origin.

    Returns:
        By claim: the columns of :func:`remerge.findings.claims_tables.claims_table`, ``printed``,
        the difference with its interval; ``low_at``, ``at``, ``high_at`` and ``margin_at``, in percent of the scale's
        width; and ``evidence``.
    """
    table = judged(section)
    if table.empty:
        return []
    fitted = of_run({name: claims[name] for name in table["id"] if name in claims}, section.methods, measured)
    ends = pd.concat([table["low"], table["high"], table["margin"], pd.Series([0.0])])
    low, width = ends.min(), (ends.max() - ends.min()) or 1.0
    shown = []
    for row, difference in zip(table.to_dict("records"), printed_differences(section), strict=True):
        at = {name: 100 * (row[of] - low) / width for name, of in _PLACES.items()}
        published = None if pd.isna(row["published above"]) else f"{row['published above']} / {row['published below']}"
        told = {"caveats": [] if pd.isna(row["caveats"]) else row["caveats"].split("; "), "published": published}
        claim = fitted.get(row["id"])
        sides = [_evidence(side, section) for side in (claim.above, claim.below)] if claim else []
        shown.append(row | at | told | {"printed": difference, "evidence": list(dict.fromkeys(sides))})
    return shown


_PLACES = {"low_at": "low", "at": "difference", "high_at": "high", "margin_at": "margin"}


def _evidence(side: Side, section: Section) -> Evidence:
    folder = section.pool
    match side:
        case OfMethod():
            files = (f"{folder}/scores/{section.suite}/{side.method}.csv",)
            return Evidence(section.labels.get(side.method, side.method), "main", files)
        case OfBest():
            return Evidence("the best merged encoder", "main", (f"{folder}/tables/{section.suite}/main.csv",))
        case OfSweep():
            label = section.labels.get(side.sweep, side.sweep)
            path = f"{folder}/sweeps/{section.suite}/{side.sweep}/test.csv"
            return Evidence(f"{label} over lambda", "scalings", (path,))
        case OfTrajectory():
            label = section.labels.get(side.trajectory, side.trajectory)
            path = f"{folder}/trajectories/{section.suite}/{side.trajectory}.csv"
            return Evidence(f"{label}, step by step", "steps", (path,))
        case OfStudy():
            return Evidence(
                f"study {side.study}", f"studies/{side.study}", (f"{folder}/tables/{section.suite}/{side.study}.csv",)
            )
