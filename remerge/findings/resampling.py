"""Bootstrap intervals of the difference between encoders, over test images and training seeds."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
CONFIDENCE = 0.95
WEIGHTS_AT_ONCE = 2**22
"""Weights of images in memory at once: 32 MiB of counts, and as much of their sums."""

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]


def interval(
    answers: Mapping[str, Counts], sides: Sequence[tuple[int, int]], rows: int, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of the difference between two sides' average accuracy, its mean over training seeds.

    Each resample draws the images of every task anew, once for all training seeds: an image brings all answers to it
    along. The best of a side is chosen anew in every resample, for each training seed. With one seed the interval is
    that of the resamples' percentiles.

    With several, each resample also draws seeds, independently of images, as seeds and images are crossed (the
    pigeonhole bootstrap: Owen 2007, Annals of Applied Statistics 1:386; it counts their interaction generously). Of n
    seeds it draws n - 1, for the mean of n drawn from n has a variance that is too small by (n - 1) / n (Rao & Wu 1988,
    JASA 83:231; Davison & Hinkley 1997, Bootstrap Methods and their Application, section 3.8). That alone leaves the
    interval too narrow, because so few seeds say little about their own spread (Hesterberg 2015, The American
    Statistician 69:371): it is therefore the resamples' mean and standard deviation times a quantile of Student's t,
    with as many degrees of freedom as the seeds' share of the variance leaves (Satterthwaite 1946): n - 1 where nothing
    but the seed matters, and ever more where images do.

    Args:
        answers: By task, how often each image is answered rightly by each encoder, ``[images, encoders]``: seed after
            seed, and of each seed first the side that is said to be better.
        sides: For each seed, how many encoders either side is the best of.
        rows: How many answers to a task, summed over tasks, an encoder's average is over.
        seed: Of the resamples.

    Returns:
        Both ends, as proportions.
    """
    generator = np.random.default_rng(seed)
    drawn = _differences(answers, sides, rows, lambda values: _resampled(values, generator))
    n = len(sides)
    if n == 1:
        low, high = np.quantile(drawn[:, 0], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return float(low), float(high)
    # Takes long to import, and only tables of several seeds need it.
    from scipy.special import stdtrit

    times = generator.multinomial(n - 1, np.full(n, 1 / n), RESAMPLES)
    means = (times * drawn).sum(axis=1) / (n - 1)
    measured = _differences(answers, sides, rows, lambda values: values.sum(axis=0, keepdims=True))[0]
    of_seeds = measured.var(ddof=1) / n
    freedom = (n - 1) * max(1.0, means.var() / of_seeds) ** 2 if of_seeds else np.inf
    half = stdtrit(freedom, (1 + CONFIDENCE) / 2) * means.std()
    return float(means.mean() - half), float(means.mean() + half)


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
    """What must be known of an image: without a choice to be made the difference, so that fewer kinds of images are."""
    begins = np.cumsum([0, *(above + below for above, below in sides)])
    parts = [counts[:, begin:end] for begin, end in pairwise(begins)]
    return np.hstack([part if part.shape[1] > 2 else part[:, :1] - part[:, 1:] for part in parts])


def _resampled(values: Counts, generator: np.random.Generator) -> Floats:
    """Sums over images drawn anew, ``[resamples, columns]``, of ``values``, ``[images, columns]``."""
    # Images with the same values are of one kind: how many of each kind are drawn is all that matters.
    kinds, own = np.unique(values, axis=0, return_counts=True)
    shares = own / len(values)
    at_once = max(1, WEIGHTS_AT_ONCE // len(kinds))
    sums = []
    for begin in range(0, RESAMPLES, at_once):
        weights = generator.multinomial(len(values), shares, min(at_once, RESAMPLES - begin))
        sums.append(weights.astype(float) @ kinds.astype(float))
    return np.concatenate(sums)
