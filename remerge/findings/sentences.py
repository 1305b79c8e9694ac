"""What a run found, a sentence per finding: each is made from tables, and left out where they do not say."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from remerge.findings.markdown import read_table
from remerge.findings.section import Section
from remerge.findings.verdicts import counted
from remerge.methods.registry import SHARED_AND_PARTS
from remerge.run.words import are, leaders, listed

SURPRISING = 3
"""How many ranks a method must be away from its published one to be mentioned."""


def findings(section: Section) -> list[str]:
    """Return what a run found: the winners and their price, the gap to the experts, the claims, and surprises."""
    say = (winner, runner_up, prices, _with_parts, gap, over_seeds, claims, against_the_papers, unlike_published)
    return [*filter(None, (sentence(section) for sentence in say))]


def winner(section: Section) -> str:
    """Name the best merged encoder and its price."""
    merged = section.merged()
    if merged.empty:
        return ""
    best, _ = _best(merged)
    names, average = list(best["method"]), best["average"].max()
    if len(names) > 1:
        return f"{are(names)} the best merged encoders: {average:.1f} % each on average over {_tasks(section, best)}."
    row = best.iloc[0]
    relative = "" if pd.isna(row["normalised"]) else f", {row['normalised']:.1f} % of what the experts reach"
    price = f"at the price of a look at {row['uses']}" if row["uses"] else "without a look at any data"
    return (
        f"{names[0]} is the best merged encoder: {average:.1f} % on average over {_tasks(section, best)}{relative}, "
        f"{price}{_seconds(section, names[0])}."
    )


def runner_up(section: Section) -> str:
    """Name what follows a single winner, and say whether sampling of test images could account for its lead."""
    best, others = _best(section.merged())
    if len(best) != 1 or others.empty:
        return ""
    second, _ = _best(others)
    first, row = best.iloc[0], second.iloc[0]
    overlap = first["average"] - first["half_width"] <= row["average"] + row["half_width"]
    return (
        f"{listed(second['method'])} follow{'s' if len(second) == 1 else ''} with {row['average']:.1f} %; the 95 % "
        f"intervals {'overlap' if overlap else 'do not overlap'}."
    )


def prices(section: Section) -> str:
    """Name the best merged encoder for each kind of data that methods look at."""
    merged = section.merged()
    kinds = sorted(dict.fromkeys(merged["uses"]), key=lambda uses: uses != "")
    if len(kinds) < 2:
        return ""
    told = []
    for uses in kinds:
        best, _ = _best(merged[merged["uses"] == uses])
        price = f"with {uses}" if uses else "without any data"
        told.append(f"{listed(best['method'])} {price} ({best['average'].max():.1f} %)")
    return f"The best at every price: {'; '.join(told)}."


def gap(section: Section) -> str:
    """Say how much of the distance from the pre-trained encoder to the experts the best merge covers."""
    zero_shot, experts, merged = (
        section.of_algorithm("pretrained"),
        section.of_algorithm("individual"),
        section.merged(),
    )
    if zero_shot is None or experts is None or merged.empty:
        return ""
    best = merged["average"].max()
    ends = f"the pre-trained encoder averages {zero_shot:.1f} % and the experts, one per task, {experts:.1f} %"
    if best <= zero_shot:
        return f"No merged encoder is better than the pre-trained one: {ends}."
    if best >= experts:
        return f"The best merged encoder reaches the experts: {ends}."
    covered = 100 * (best - zero_shot) / (experts - zero_shot)
    return f"The best merged encoder covers {covered:.0f} % of the distance to the experts: {ends}."


def over_seeds(section: Section) -> str:
    """Name the method with the highest mean over training seeds, among those that compete."""
    table, merged = section.table("main_over_seeds"), section.merged()
    if table.empty or merged.empty:
        return ""
    rows = table[table["method"].isin(merged["method"])].dropna(subset="mean")
    if rows.empty:
        return ""
    seeds = sum(column.startswith("seed ") for column in table)
    best = leaders(dict(zip(rows["method"], rows["mean"], strict=True)))
    spread = rows.loc[rows["method"].isin(best), "deviation"].max()
    return (
        f"Over {seeds} training seeds, {are(best)} best with a mean of {rows['mean'].max():.1f} % "
        f"(standard deviation {spread:.1f})."
    )


def judged(section: Section) -> pd.DataFrame:
    """Return the verdicts: those over training seeds if there are any, else those of this pool."""
    over = section.table("claims_over_seeds")
    return section.table("claims") if over.empty else over


def printed_differences(section: Section) -> list[str]:
    """Return the difference between the sides of each claim as its table prints it, with the interval."""
    name = "claims" if section.table("claims_over_seeds").empty else "claims_over_seeds"
    (path,) = (path for path in section.tables[name] if Path(path).suffix == ".md")
    table = read_table(Path(path).read_text(encoding="utf-8"))
    (column,) = (
        index for index, header in enumerate(table.headers) if header.startswith(("Difference", "Ours, points"))
    )
    return [row[column].html.striptags().replace("-", "\N{MINUS SIGN}") for row in table.rows]


def counts(section: Section) -> dict[str, int]:
    """Return the number of claims by verdict."""
    table = judged(section)
    return counted(table["verdict"] if len(table) else ())


def claims(section: Section) -> str:
    """Say how many claims hold."""
    count = counts(section)
    if not (total := sum(count.values())):
        return ""
    hold, fail, undecided = count.values()
    over = "" if section.table("claims_over_seeds").empty else " over training seeds"
    return (
        f"Of {total} claims from the papers that this run can judge{over}, {_verb(hold, 'holds', 'hold')}, "
        f"{_verb(fail, 'does not', 'do not')} and {_verb(undecided, 'is undecided', 'are undecided')}."
    )


def against_the_papers(section: Section) -> str:
    """Quote the claim that fails most clearly."""
    table = judged(section)
    failed = table[table["verdict"] == "does not hold"] if len(table) else table
    if failed.empty:
        return ""
    worst = (failed["high"] - failed["margin"]).idxmin()
    row, difference = failed.loc[worst], printed_differences(section)[table.index.get_loc(worst)]
    margin = f", where {row['margin']:g} were claimed" if row["margin"] else ""
    return (
        f"Against the papers: “{row['claim'].rstrip('.')}” does not hold here; the difference in points "
        f"is {difference}{margin}."
    )


def unlike_published(section: Section) -> str:
    """Name the methods whose rank differs most from the published one, if it differs much."""
    name = "fidelity_over_seeds" if "fidelity_over_seeds" in section.tables else "fidelity"
    table = section.table(name)
    # Without a published average of a merged encoder, nothing is ranked.
    if table.empty or "rank" not in table:
        return ""
    ranked = table.dropna(subset=["rank", "published rank"])
    away = (ranked["rank"] - ranked["published rank"]).abs()
    if ranked.empty or away.max() < SURPRISING:
        return ""
    told = [
        f"{section.labels.get(row['method'], row['method'])} is number {row['rank']:g} of {len(ranked)} here "
        f"and number {row['published rank']:g} as published"
        for _, row in ranked[away == away.max()].iterrows()
    ]
    return f"Furthest from their rank on ViT-B/32: {'; '.join(told)}."


def points(value: float) -> str:
    """Return a difference in points with its sign."""
    return f"{value:+.1f}".replace("-", "\N{MINUS SIGN}")


def _best(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that share the highest printed average, and the others."""
    best = rows["average"].round(1) == rows["average"].round(1).max()
    return rows[best], rows[~best]


def _tasks(section: Section, rows: pd.DataFrame) -> str:
    scored, all_tasks = int(rows["tasks"].max()), len(section.tasks)
    return f"{scored} tasks" if scored == all_tasks else f"{scored} of {all_tasks} tasks"


def _seconds(section: Section, label: str) -> str:
    cost = section.table("cost")
    seconds: Iterable[float] = cost.loc[cost["method"] == label, "seconds"] if len(cost) else []
    return "".join(f" and {told:,.0f} seconds of jobs" for told in seconds)


def _with_parts(section: Section) -> str:
    rows = section.merged(SHARED_AND_PARTS)
    if rows.empty:
        return ""
    best, _ = _best(rows)
    return (
        f"Among methods that store parts for every task, {are(best['method'])} best with "
        f"{best['average'].max():.1f} % on average."
    )


def _verb(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"
