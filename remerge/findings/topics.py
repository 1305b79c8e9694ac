"""What the report asks of a run: questions, answered with numbers, with the tables and figures that belong to each."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from remerge.findings import sentences
from remerge.findings.section import Section
from remerge.run.words import listed
from remerge.scoring.scores import average_accuracy

Say = Callable[[Section], str]
"""A sentence made from the tables of a section; empty where they do not support it."""


@dataclass(frozen=True)
class Topic:
    """A part of the page.

    Attributes:
        question: Its heading.
        answer: The answer, with numbers.
        tables: The tables that belong to it.
        figures: The figures that belong to it.
    """

    question: str
    answer: Say
    tables: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()


def scalings(section: Section) -> str:
    """Name the highest point of the curves over lambda, and say where a step is too long."""
    curves = _curves(section, "sweeps", "scaling")
    if curves.empty:
        return ""
    best = curves.loc[curves["average"].idxmax()]
    label = section.labels.get(best["method"], best["method"])
    told = f"{label} reaches the highest point of all curves, {best['average']:.1f} % at lambda {best['scaling']:g}."
    zero_shot = section.of_algorithm("pretrained")
    if zero_shot is None:
        return told
    longest = curves.loc[curves.groupby("method")["scaling"].idxmax()]
    below = int((longest["average"] < zero_shot).sum())
    return (
        f"{told} At the largest lambda, {below} of {len(longest)} curves {'is' if below == 1 else 'are'} below the "
        "pre-trained encoder."
    )


def every_curve_peaks(section: Section) -> str:
    """Say so if every curve over lambda is highest within the grid, and not at an end of it."""
    curves = _curves(section, "sweeps", "scaling")
    ends = [
        curve["average"].idxmax() in (curve["scaling"].idxmin(), curve["scaling"].idxmax())
        for _, curve in curves.groupby("method")
    ] if len(curves) else [True]  # fmt: skip
    return "" if any(ends) else "Accuracy rises to a peak over lambda, then falls"


def steps(section: Section) -> str:
    """Say which method gains most from the first step to the last, and how many end below their start."""
    gains = _gains(section)
    if gains.empty:
        return ""
    label = section.labels.get(gains.idxmax(), gains.idxmax())
    lost = int((gains < 0).sum())
    return (
        f"From the first step to the last, {label} gains most: {sentences.points(gains.max())} points. "
        f"{lost} of {len(gains)} methods end{'s' if lost == 1 else ''} below the start."
    )


def every_method_gains(section: Section) -> str:
    """Say so if every method that adapts ends above its start."""
    gains = _gains(section)
    return "Minimising entropy raises accuracy" if len(gains) and gains.min() > 0 else ""


def task_vectors(section: Section) -> str:
    """Say how much task vectors have in common, and how often they disagree."""
    told = []
    if len(cosines := _cosines(section)):
        told.append(
            f"The cosine between two task vectors is {cosines.mean():.2f} on average, from {cosines.min():.2f} to "
            f"{cosines.max():.2f}."
        )
    if len(conflicts := section.numbers("conflicts")):
        of_all = conflicts[conflicts["tasks"] == conflicts["tasks"].max()].set_index("keep")["percent"].sort_index()
        trimmed = of_all[of_all.index < 1].items()
        shares = [f"{percent:.0f} % with the largest {100 * keep:g} % kept" for keep, percent in trimmed]
        if 1.0 in of_all:
            shares.append(f"{of_all[1.0]:.0f} % untrimmed")
        told.append(
            f"Of the entries that {conflicts['tasks'].max():g} task vectors move, some pull in opposite directions at: "
            f"{listed(shares)}."
        )
    return " ".join(told)


def nearly_orthogonal(section: Section) -> str:
    """Say so if no two task vectors have a cosine of 0.2 or more in size."""
    cosines = _cosines(section)
    return "Task vectors are nearly orthogonal" if len(cosines) and cosines.abs().max() < 0.2 else ""


def suites(section: Section) -> str:
    """Say which merged encoders lose least and most from the smallest of nested suites to the largest."""
    table, competing = section.table("suites"), section.merged()
    if table.empty:
        return ""
    wide = table.pivot(index="method", columns="tasks", values="normalised").reindex(competing["id"])
    first, last = wide.columns[0], wide.columns[-1]
    changes = (wide[last] - wide[first]).dropna()
    if len(changes) < 2:
        return ""
    most, least = section.labels[changes.idxmin()], section.labels[changes.idxmax()]
    return (
        f"From {first} to {last} tasks, normalised accuracy changes by {sentences.points(changes.min())} points with "
        f"{most}, which loses most, and by {sentences.points(changes.max())} with {least}, which loses least."
    )


def experts(section: Section) -> str:
    """Say what experts reach on their task and on the others."""
    table = section.table("experts")
    if table.empty:
        return ""
    accuracies = table.set_index("expert")
    tasks = [task for task in accuracies if task in accuracies.index]
    own = pd.Series([accuracies.loc[task, task] for task in tasks]).dropna()
    others = pd.Series([accuracies.loc[one, task] for one in tasks for task in tasks if task != one]).dropna()
    if own.empty or others.empty:
        return ""
    zero_shot = section.of_algorithm("pretrained")
    beside = "" if zero_shot is None else f", where the pre-trained encoder reaches {zero_shot:.1f} %"
    return f"An expert reaches {own.mean():.1f} % on its task and {others.mean():.1f} % on the others{beside}."


def fidelity(section: Section) -> str:
    """Give the rank correlation with published averages."""
    name = "fidelity_over_seeds" if "fidelity_over_seeds" in section.evidence else "fidelity"
    table = section.numbers(name, 1)
    if table.empty or pd.isna(table["spearman"].iloc[0]):
        return ""
    row = table.iloc[0]
    over = " over training seeds" if name != "fidelity" else ""
    return (
        f"Spearman's rank correlation with the averages published for ViT-B/32 is {row['spearman']:.2f} "
        f"[{row['low']:.2f}, {row['high']:.2f}]{over}, for {row['methods']:g} merged methods."
    )


def cost(section: Section) -> str:
    """Name the fastest and the slowest method."""
    table = section.table("cost")
    if len(table) < 2:
        return ""
    fast, slow = table.loc[table["seconds"].idxmin()], table.loc[table["seconds"].idxmax()]
    return (
        f"{slow['method']} took longest, {slow['seconds']:,.0f} seconds, and {fast['method']} the least time, "
        f"{fast['seconds']:,.1f} seconds."
    )


def compared(section: Section) -> str:
    """Say how far the numbers are from those published for the same checkpoints."""
    table = section.table("comparison")
    if table.empty:
        return ""
    away = table.dropna(subset="agrees")["difference"].abs()
    if away.empty:
        return ""
    return (
        f"Of {len(away)} numbers, half are within {away.median():.1f} points of the published ones and all within "
        f"{away.max():.1f}."
    )


TOPICS = {
    "main": Topic(
        "Which method merges best?", sentences.gap, ("main_over_seeds", "main"), ("accuracies", "heat_map", "radar")
    ),
    "leaderboard": Topic("Which method is best at which price?", sentences.prices, ("leaderboard",)),
    "claims": Topic("Do the papers' claims hold?", sentences.claims, ("claims_over_seeds", "claims")),
    "comparison": Topic("Do the published numbers come out again?", compared, ("comparison",)),
    "suites": Topic("What do more tasks cost?", suites, ("suites",), ("suites",)),
    "scalings": Topic("How long should the step be?", scalings, (), ("scalings", "valid_answers")),
    "steps": Topic(
        "What does adaptation without labels gain?", steps, (),
        ("steps", "taskwise_coefficients", "layerwise_coefficients", "entropy"),
    ),
    "task-vectors": Topic("Do task vectors get in each other's way?", task_vectors, (), ("cosine", "conflicts")),
    "experts": Topic("What do experts know of other tasks?", experts, ("experts",), ("samples",)),
    "fidelity": Topic(
        "Are methods ranked as on ViT-B/32?", fidelity,
        ("fidelity_over_seeds", "fidelity", "regime_over_seeds", "regime"), ("fidelity_over_seeds", "fidelity"),
    ),
    "cost": Topic("What did each method take?", cost, ("cost",)),
}  # fmt: skip
"""The parts of the page, in order; studies stand before the last three."""

TITLES: dict[str, Say] = {
    "scalings": every_curve_peaks,
    "steps": every_method_gains,
    "cosine": nearly_orthogonal,
}
"""Titles of figures that state a finding where it is one of the run."""


def _curves(section: Section, need: str, along: str) -> pd.DataFrame:
    scores = section.scores(need)
    return scores if scores.empty else average_accuracy(scores, ["method", along])


def _gains(section: Section) -> pd.Series:
    """Points from the first step to the last, by method."""
    curves = _curves(section, "trajectories", "step")
    if curves.empty:
        return pd.Series(dtype=float)
    ordered = curves.sort_values("step").groupby("method", sort=False)["average"]
    return ordered.last() - ordered.first()


def _cosines(section: Section) -> pd.Series:
    table = section.numbers("cosine")
    return table.loc[table["task_a"] < table["task_b"], "cosine"] if len(table) else pd.Series(dtype=float)
