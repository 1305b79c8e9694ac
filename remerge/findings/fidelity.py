"""Does a small benchmark rank methods as ViT-B/32 does? Averages beside published ones, and their rank correlation."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from remerge.checkpoints.headers import split_tasks
from remerge.errors import RemergeError
from remerge.findings.resampling import (
    CONFIDENCE,
    interval_over_seeds,
    means_over_seeds,
    resampled_averages,
    right_answers,
)
from remerge.methods.measured import Measured, Methods, paired
from remerge.methods.registry import ALGORITHMS, MERGING, WITH_PARTS, Kind
from remerge.scoring.scores import average_accuracy, merged_tasks

FEWEST = 3
"""A rank correlation of fewer methods than these says nothing."""
DIGITS = 9
"""Averages that agree to so many decimals are equal: the order of summation is no reason to rank one higher."""

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Averages:
    """Average accuracies, in percent, over the same tasks.

    Attributes:
        methods: The methods, by id.
        seeds: The training seeds.
        tasks: The tasks averaged over.
        measured: ``[seeds, methods]``.
        drawn: In resamples of test images, ``[resamples, seeds, methods]``.
    """

    methods: Sequence[str]
    seeds: Sequence[int]
    tasks: Sequence[str]
    measured: Floats
    drawn: Floats


def joined(
    methods: Methods,
    scores: Mapping[int, pd.DataFrame],
    measured: Mapping[str, Measured],
    may_differ: Collection[str],
    published: Mapping[str, float],
) -> pd.DataFrame:
    """Return which published average each method is compared with.

    Args:
        methods: The methods.
        scores: Their test scores, by training seed.
        measured: What published methods were measured with, by name.
        may_differ: Parameters in which a method may differ from the published one that it is compared with.
        published: Published averages, in percent, by name.

    Returns:
        A row per method: ``method``, ``role`` (``merged`` into one encoder, with ``parts`` per task, ``reference`` or
        ``left out``), ``published as``, ``published``, and ``note``, the reason why it is left out.
    """
    names = paired(methods, measured, may_differ)
    rows = []
    for name, method in methods.items():
        reason = _not_published(method, names.get(name), measured, may_differ, published)
        reason = reason or _merges_fewer([frame[frame["method"] == name] for frame in scores.values()])
        role = "left out" if reason else _role(ALGORITHMS[method["algorithm"]].kind)
        value = published.get(names.get(name, ""))
        rows.append({"method": name, "role": role, "published as": names.get(name), "published": value, "note": reason})
    return pd.DataFrame(rows)


def _role(kind: Kind) -> str:
    """What the methods of a kind are: only those that are ``merged`` are ranked."""
    return "merged" if kind in MERGING else "parts" if kind in WITH_PARTS else "reference"


def _not_published(
    method: Mapping[str, Any],
    name: str | None,
    measured: Mapping[str, Measured],
    may_differ: Collection[str],
    published: Mapping[str, float],
) -> str:
    """Why there is no published average to compare a method with; empty if there is one."""
    if name is not None:
        return "" if name in published else "no published average"
    if any(own.is_of(method, may_differ) for own in measured.values()):
        return "another row is compared with its published average"
    known = any(own.algorithm == method["algorithm"] for own in measured.values())
    return "published with other parameters" if known else "not published"


def _merges_fewer(frames: Sequence[pd.DataFrame]) -> str:
    """Which tasks a method merges, with some seed, if not all."""
    merged = next(filter(None, map(merged_tasks, frames)), "")
    return f"merges only {', '.join(split_tasks(merged))}" if merged else ""


def averaged(
    scores: Mapping[int, pd.DataFrame], methods: Sequence[str], tasks: Sequence[str], generator: np.random.Generator
) -> Averages:
    """Return the averages of some methods over the tasks on which all of them were scored with every seed.

    Args:
        scores: Test scores, by training seed.
        methods: The methods.
        tasks: The suite's tasks.
        generator: What draws images.

    Raises:
        RemergeError: Scores have no answers, or are not for the same images with every seed.
    """
    frames = [frame[frame["method"] == name] for frame in scores.values() for name in methods]
    shared = [task for task in tasks if frames and all(task in set(frame["task"]) for frame in frames)]
    if not shared:
        return Averages([], list(scores), [], np.empty((len(scores), 0)), np.empty((1, len(scores), 0)))
    frames = [frame[frame["task"].isin(shared)] for frame in frames]
    if without := [frame for frame in frames if "right" not in frame or frame["right"].isna().any()]:
        name = without[0]["method"].iloc[0]
        raise RemergeError(f"method {name}: its scores lack the answers; run snakemake to have it scored again")
    places = (len(scores), len(methods))
    measured = np.reshape([average_accuracy(frame, ["method"])["average"].iloc[0] for frame in frames], places)
    drawn = resampled_averages(right_answers(frames, "comparison with ViT-B/32"), generator)
    return Averages(list(methods), list(scores), shared, measured, 100 * drawn.reshape(-1, *places))


def fidelity(
    scores: Mapping[int, pd.DataFrame],
    methods: Methods,
    tasks: Sequence[str],
    measured: Mapping[str, Measured],
    may_differ: Collection[str],
    published: Mapping[str, float],
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return every method's average beside the published one, and the rank correlation between the two.

    Averages over different tasks are not comparable: a method that merges fewer is left out, and all others are
    averaged over the tasks that every one was scored on. The interval of an average is that of
    :func:`remerge.findings.resampling.interval`; for the correlation's see :func:`correlations`.

    Args:
        scores: Test scores of all methods of one suite, by training seed.
        methods: The methods, in order.
        tasks: The suite's tasks.
        measured: As for :func:`joined`, like the next two.
        may_differ: Parameters that may differ.
        published: Published averages.
        seed: Seed of the resampling.

    Returns:
        The result of :func:`joined` with ``average`` over seeds, its interval ``low`` and ``high`` (percent),
        ``tasks``, which are averaged over (``a+b``), with several seeds ``seed {seed}``, and of merged encoders
        ``published rank`` and ``rank``, the best being 1. And the result of :func:`correlations`.

    Raises:
        RemergeError: See :func:`averaged`.
    """
    generator = np.random.default_rng(seed)
    table = joined(methods, scores, measured, may_differ, published).set_index("method", drop=False)
    averages = averaged(scores, list(table.index[table["role"] != "left out"]), tasks, generator)
    compared = list(averages.methods)
    for at, name in enumerate(compared):
        low, high = interval_over_seeds(averages.drawn[:, :, at], averages.measured[:, at], generator)
        table.loc[name, ["average", "low", "high"]] = averages.measured[:, at].mean(), low, high
        if len(scores) > 1:
            table.loc[name, [f"seed {number}" for number in scores]] = averages.measured[:, at]
    merged = [name for name in compared if table.loc[name, "role"] == "merged"]
    for rank, column in (("published rank", "published"), ("rank", "average")):
        if merged:
            table.loc[merged, rank] = table.loc[merged, column].round(DIGITS).rank(ascending=False)
    table["tasks"] = "+".join(averages.tasks)
    return table.reset_index(drop=True), correlations(averages, table.loc[merged, "published"], generator)


def correlations(averages: Averages, published: pd.Series, generator: np.random.Generator) -> pd.DataFrame:
    """Return Spearman's rank correlation between averages and published ones.

    Methods are ranked anew in every resample of images and, with several seeds, of n - 1 of n seeds. The interval's
    ends are percentiles of these, because a correlation is bounded; for few seeds they are expanded as far as Student's
    t is wider than the normal distribution (Hesterberg 2015, The American Statistician 69:371). Resampling blurs an
    order but does not restore one, so that its correlations lean to 0: the interval is extended to the measured value
    if need be.

    Args:
        averages: The averages.
        published: The published average of each method that counts.
        generator: What draws seeds.

    Returns:
        ``seeds``, ``methods`` (how many count), ``spearman``, ``low`` and ``high``: a row for the averages over ``all``
        seeds and, if there are several, one without interval for each. Of fewer than :data:`FEWEST` methods, or if all
        averages are equal, the correlation is missing.
    """
    columns = [averages.methods.index(name) for name in published.index]
    reference, measured = published.to_numpy(float), averages.measured[:, columns]
    if len(columns) < FEWEST:
        return pd.DataFrame([{"seeds": "all", "methods": len(columns), "spearman": None, "low": None, "high": None}])
    estimate = float(rank_correlation(reference, measured.mean(axis=0)))
    drawn = rank_correlation(reference, means_over_seeds(averages.drawn[:, :, columns], generator))
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, _levels(len(averages.seeds))) if len(drawn) else (np.nan, np.nan)
    rows = [{"seeds": "all", "spearman": estimate, "low": min(low, estimate), "high": max(high, estimate)}]
    if len(averages.seeds) > 1:
        alone = rank_correlation(reference, measured)
        rows += [{"seeds": str(seed), "spearman": own} for seed, own in zip(averages.seeds, alone, strict=True)]
    return pd.DataFrame(rows).assign(methods=len(columns))[["seeds", "methods", "spearman", "low", "high"]]


def _levels(seeds: int) -> tuple[float, float]:
    """The levels of the percentiles that bound an interval."""
    tail = (1 - CONFIDENCE) / 2
    if seeds > 1:
        from scipy.special import ndtr, stdtrit

        tail = float(ndtr(stdtrit(seeds - 1, tail)))
    return tail, 1 - tail


def rank_correlation(published: Floats, averages: Floats) -> Floats:
    """Return Spearman's rank correlation of averages, ``[..., methods]``, with the published ones, ``[methods]``.

    Equal values share the mean of their ranks; where all are equal, the correlation is NaN.
    """
    # SciPy takes long to import, and only tables need it.
    from scipy.stats import rankdata

    ranks = [rankdata(values.round(DIGITS), axis=-1) for values in (averages, published)]
    ours, theirs = (own - own.mean(axis=-1, keepdims=True) for own in ranks)
    with np.errstate(invalid="ignore"):
        return np.asarray((ours * theirs).sum(axis=-1) / np.sqrt((ours**2).sum(axis=-1) * (theirs**2).sum()))
