"""Verdicts on claims, from score files alone."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from remerge.errors import RemergeError
from remerge.findings.claimed_scores import Scores
from remerge.findings.claims import Claim, OfSweep, OfTrajectory
from remerge.findings.resampling import interval, right_answers
from remerge.scoring.scores import accuracy, merged_tasks


@dataclass(frozen=True)
class Verdict:
    """What our scores say about a claim.

    Attributes:
        claim: The claim.
        above: Average accuracy, in percent, of the side that is claimed to be better.
        below: Average accuracy of the other side.
        low: Lower end of the interval of the difference, in points.
        high: Its upper end.
        n: Number of test images compared; each counts once, however many answers it has.
        tasks: The tasks averaged over.
        best: The best encoder, for every side that is the best of several encoders.
        differences: Difference between the sides, in points, for each training seed.
    """

    claim: Claim
    above: float
    below: float
    low: float
    high: float
    n: int
    tasks: tuple[str, ...]
    best: tuple[str, ...]
    differences: Mapping[int, float]

    @property
    def difference(self) -> float:
        """Difference between the sides, in points."""
        return self.above - self.below

    @property
    def verdict(self) -> str:
        """``holds`` or ``does not hold`` if the whole interval agrees, else ``undecided``."""
        if self.low >= self.claim.by and self.difference > self.claim.by:
            return "holds"
        return "does not hold" if self.high < self.claim.by else "undecided"


def counted(verdicts: Iterable[str]) -> dict[str, int]:
    """Return how many there are of each verdict, also of those that no claim has."""
    count = Counter(verdicts)
    return {verdict: count[verdict] for verdict in ("holds", "does not hold", "undecided")}


def judge(claim: Claim, scores: Scores, seed: int = 0) -> Verdict | None:
    """Judge a claim, or return None if its encoders were not made.

    The difference of averages gets a paired bootstrap interval: test images are resampled within every task, and all
    answers to an image, by either side and in every row, stay together. The best of several encoders is chosen again in
    every resample.

    Raises:
        RemergeError: The rows of a task are not for the same images, or a side has duplicate rows.
    """
    return judge_over_seeds(claim, {0: scores}, seed)


def judge_over_seeds(claim: Claim, scores: Mapping[int, Scores], seed: int = 0) -> Verdict | None:
    """Judge a claim by all training seeds for which its encoders were made, or return None if there are none.

    The difference is the mean over seeds, each over the same rows; see :func:`remerge.findings.resampling.interval` for
    its interval.

    Args:
        claim: The claim.
        scores: Scores of pools that differ only in the seed, by seed.
        seed: Seed of the resampling.

    Raises:
        RemergeError: The rows of a task are not for the same images, or a side has duplicate rows.
    """
    made = {number: _sides(claim, own) for number, own in scores.items()}
    sides = {number: own for number, own in made.items() if own is not None}
    keyed = [_keyed(encoder, claim) for own in sides.values() for side in own for encoder in side.values()]
    keys = [key for key in keyed[0].index if all(key in other.index for other in keyed)] if keyed else []
    if not keys:
        return None
    keyed = [encoder.loc[keys] for encoder in keyed]
    answers = right_answers(keyed, f"claim {claim.statement!r}")
    accuracies = iter([float(accuracy(encoder).mean()) for encoder in keyed])
    averages = {number: [{name: next(accuracies) for name in side} for side in own] for number, own in sides.items()}
    above, below = ([max(own[side].values()) for own in averages.values()] for side in (0, 1))
    low, high = interval(answers, [(len(own[0]), len(own[1])) for own in sides.values()], len(keys), seed)
    return Verdict(
        claim,
        above=float(np.mean(above)),
        below=float(np.mean(below)),
        low=100 * low,
        high=100 * high,
        n=sum(map(len, answers.values())),
        tasks=tuple(answers),
        best=tuple(
            name
            for side in (0, 1)
            for name in dict.fromkeys(max(own[side], key=own[side].__getitem__) for own in averages.values())
            if any(len(own[side]) > 1 for own in sides.values())
        ),
        differences={number: more - less for number, more, less in zip(averages, above, below, strict=True)},
    )


def _sides(claim: Claim, scores: Scores) -> list[dict[str, pd.DataFrame]] | None:
    """The encoders of both sides, or None if they were not made or their answers were not stored."""
    sides = [scores.of(claim.above), scores.of(claim.below)]
    encoders = [encoder for side in sides for encoder in side.values()]
    if not all(sides) or any("right" not in encoder for encoder in encoders):
        return None
    return sides if _comparable(claim, sides, scores.merged) else None


def _comparable(claim: Claim, sides: Sequence[Mapping[str, pd.DataFrame]], merging: Sequence[str]) -> bool:
    """Whether all encoders that merge tasks merge the same ones."""
    merged = set()
    for side, encoders in zip((claim.above, claim.below), sides, strict=True):
        for name, scores in encoders.items():
            told = merged_tasks(scores)
            if told or name in merging or isinstance(side, OfSweep | OfTrajectory):
                merged.add(told)
    return len(merged) <= 1


def _keyed(encoder: pd.DataFrame, claim: Claim) -> pd.DataFrame:
    """Rows by the keys that pair them with the other side's: part and merged tasks if there are several, and task."""
    several = ("part", "merged") if "study" in encoder else ()
    keys = [column for column in several if column in encoder and encoder[column].notna().all()]
    index = [encoder[column] for column in keys] if keys else [pd.Series("-", index=encoder.index)]
    keyed = encoder.set_index([*index, encoder["task"]], drop=False)
    if keyed.index.has_duplicates:
        twice = keyed.index[keyed.index.duplicated()][0]
        raise RemergeError(
            f"claim {claim.statement!r}: a side has several rows for {', '.join(map(str, twice))}; "
            "name its method, variant or keep"
        )
    return keyed
