"""Bootstrap intervals of the difference between encoders, over test images and training seeds."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from remerge.errors import RemergeError
from remerge.scoring.scores import contributions

RESAMPLES = 10_000
CONFIDENCE = 0.95
WEIGHTS_AT_ONCE = 2**22
"""Weights of images in memory at once: 32 MiB of counts, and as much of their sums."""

Counts = npt.NDArray[Any]
Floats = npt.NDArray[np.floating]


def interval(
    answers: Mapping[str, Counts], sides: Sequence[tuple[int, int]], rows: int, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of the difference between two sides' average accuracy, averaged over training seeds.

    Each resample redraws the images of every task, once for all training seeds, and keeps all answers to an image
    together. In every resample and for each training seed, the best encoder of a side is chosen again. With one seed,
    the interval is given by percentiles of the resamples.

    With several seeds, each resample also redraws seeds, independently of images, because seeds and images are crossed
    (the pigeonhole bootstrap: Owen 2007, Annals of Applied Statistics 1:386; it overestimates their interaction). It
    draws n - 1 of n seeds, because the variance of the mean of n drawn from n is too small by (n - 1) / n (Rao & Wu
    1988, JASA 83:231; Davison & Hinkley 1997, Bootstrap Methods and their Application, section 3.8). The percentile
    interval would still be too narrow, because a few seeds say little about their spread (Hesterberg 2015, The American
    Statistician 69:371). The interval is therefore the mean of the resamples plus or minus their standard deviation
    times a quantile of Student's t. Its degrees of freedom follow from the seeds' share of the variance (Satterthwaite
    1946): n - 1 if only the seed matters, and more the more images matter.

    Args:
        answers: By task, how often each encoder classifies each image correctly, ``[images, encoders]``; encoders are
            sorted by seed, and within a seed the side that is claimed to be better comes first.
        sides: For each seed, the number of candidates of either side.
        rows: Number of answers per image, summed over tasks, that an encoder's average is over.
        seed: Seed of the resampling.

    Returns:
        Both ends, as proportions.
    """
    generator = np.random.default_rng(seed)
    drawn = _differences(answers, sides, rows, lambda values: _resampled(values, generator))
    measured = _differences(answers, sides, rows, lambda values: values.sum(axis=0, keepdims=True))[0]
    return interval_over_seeds(drawn, measured, generator)


def interval_over_seeds(drawn: Floats, measured: Floats, generator: np.random.Generator) -> tuple[float, float]:
    """Return the 95 % interval, as :func:`interval` describes it, of the mean over seeds of any statistic.

    Args:
        drawn: The statistic in resamples of images, ``[resamples, seeds]``.
        measured: The statistic as measured, ``[seeds]``.
        generator: What draws the seeds.
    """
    n = len(measured)
    if n == 1:
        low, high = np.quantile(drawn[:, 0], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return float(low), float(high)
    # SciPy takes long to import, and only tables over several seeds need it.
    from scipy.special import stdtrit

    means = means_over_seeds(drawn, generator)
    of_seeds = measured.var(ddof=1) / n
    freedom = (n - 1) * max(1.0, means.var() / of_seeds) ** 2 if of_seeds else np.inf
    half = stdtrit(freedom, (1 + CONFIDENCE) / 2) * means.std()
    return float(means.mean() - half), float(means.mean() + half)


def means_over_seeds(drawn: Floats, generator: np.random.Generator) -> Floats:
    """Return the mean over n - 1 of n seeds, drawn anew in every resample: ``[resamples, seeds, ...]`` without seeds.

    With one seed there is none to draw, and its values are returned.
    """
    n = drawn.shape[1]
    if n == 1:
        return drawn[:, 0]
    times = generator.multinomial(n - 1, np.full(n, 1 / n), len(drawn))
    return np.asarray((times.reshape(*times.shape, *[1] * (drawn.ndim - 2)) * drawn).sum(axis=1) / (n - 1))


def right_answers(encoders: Sequence[pd.DataFrame], purpose: str) -> dict[str, Counts]:
    """Return by task how often each encoder classifies each image correctly, ``[images, encoders]``.

    Where answers are ranked, it is what each contributes to the rank correlation.

    Args:
        encoders: Rows of score files with ``task``, ``n`` and ``right``; several rows of a task are summed.
        purpose: What the answers are compared for, for the error's text.

    Raises:
        RemergeError: The rows of a task are not for the same images.
    """
    answers: dict[str, Counts] = {}
    for column, encoder in enumerate(encoders):
        for row in encoder.to_dict("records"):
            task, own = row["task"], contributions(row)
            counts = answers.setdefault(task, np.zeros((row["n"], len(encoders)), own.dtype))
            if len(counts) != len(own):
                raise RemergeError(
                    f"{purpose}: {task} has {len(counts)} test images in one row and {row['n']} in another; "
                    "run snakemake to have it scored again, or give a study all images"
                )
            counts[:, column] += own
    return answers


def resampled_averages(answers: Mapping[str, Counts], generator: np.random.Generator) -> Floats:
    """Return encoders' average accuracy over tasks in resamples of every task's images.

    Args:
        answers: By task, whether each encoder classifies each image correctly, ``[images, encoders]``.
        generator: What draws the images, for all encoders at once.

    Returns:
        Proportions, ``[resamples, encoders]``.
    """
    sums = [_resampled(counts, generator) / len(counts) for counts in answers.values()]
    return np.mean(sums, axis=0)


def _differences(
    answers: Mapping[str, Counts],
    sides: Sequence[tuple[int, int]],
    rows: int,
    summed: Callable[[Counts], npt.NDArray[np.number]],
) -> Floats:
    """The difference between the sides' best, ``[samples, seeds]``; ``summed`` adds up the images of each sample."""
    totals = np.asarray(sum(summed(_columns(counts, sides)) / (rows * len(counts)) for counts in answers.values()))
    differences, begin = [], 0
    for above, below in sides:
        if above + below == 2:
            differences.append(totals[:, begin])
            begin += 1
            continue
        middle, end = begin + above, begin + above + below
        differences.append(totals[:, begin:middle].max(axis=1) - totals[:, middle:end].max(axis=1))
        begin = end
    return np.stack(differences, axis=1)


def _columns(counts: Counts, sides: Sequence[tuple[int, int]]) -> Counts:
    """The values needed per image: only the difference if no best is chosen, so that fewer images are distinct."""
    begins = np.cumsum([0, *(above + below for above, below in sides)])
    parts = [counts[:, begin:end] for begin, end in pairwise(begins)]
    return np.hstack([part if part.shape[1] > 2 else part[:, :1] - part[:, 1:] for part in parts])


def _resampled(values: Counts, generator: np.random.Generator) -> Floats:
    """Sums over resampled images, ``[resamples, columns]``, of ``values``, ``[images, columns]``."""
    # Images with the same values are interchangeable: only the number drawn of each kind matters.
    kinds, own = np.unique(values, axis=0, return_counts=True)
    shares = own / len(values)
    at_once = max(1, WEIGHTS_AT_ONCE // len(kinds))
    sums = []
    for begin in range(0, RESAMPLES, at_once):
        weights = generator.multinomial(len(values), shares, min(at_once, RESAMPLES - begin))
        sums.append(weights.astype(float) @ kinds.astype(float))
    return np.concatenate(sums)
