"""Verdicts on the papers' claims, from score files alone."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from remerge.answers import unpack_right
from remerge.config.files import read_yaml
from remerge.errors import RemergeError
from remerge.scores import average_accuracy, read_scores
from remerge.studies.tables import chosen_negation

RESAMPLES = 10_000
CONFIDENCE = 0.95


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OfMethod(_Strict):
    """A row of the main table."""

    method: str


class OfSweep(_Strict):
    """A point of the curve over lambda."""

    sweep: str
    scaling: float | Literal["best"]


class OfTrajectory(_Strict):
    """A step of AdaMerging."""

    trajectory: str
    step: int | Literal["first", "last"]


class OfStudy(_Strict):
    """Encoders of a study."""

    study: str
    part: str | None = None
    method: str | None = None
    variant: str | None = None
    merged: str | None = None
    keep: float | None = None
    tasks: Literal["seen", "unseen"] | None = None


class OfNegation(_Strict):
    """Encoders before and after forgetting a task."""

    negation: str
    encoder: Literal["before", "after"]
    task: Literal["target", "control"]


Side = OfMethod | OfSweep | OfTrajectory | OfStudy | OfNegation


class Published(_Strict):
    """The papers' own numbers."""

    above: float
    below: float
    source: str
    encoder: str


class Claim(_Strict):
    """One claim: ``above`` is better than ``below`` by at least ``by`` points of average accuracy."""

    statement: str
    paper: Annotated[str, Field(pattern=r"^\d{4}\.\d{5}$")]
    section: str
    above: Side
    below: Side
    by: float = 0.0
    published: Published | None = None


def read_claims(path: str | Path) -> dict[str, Claim]:
    """Read a file of claims, by id.

    Raises:
        RemergeError: It is not such a file; the message names every claim and key at fault.
    """
    content = read_yaml(Path(path))
    claims, faults = {}, []
    for name, entry in content.items():
        try:
            claims[str(name)] = Claim.model_validate(entry)
        except ValidationError as error:
            faults += [f"{path}: {name}{_where(details['loc'])}: {details['msg']}" for details in error.errors()]
    if faults:
        raise RemergeError("\n".join(dict.fromkeys(faults)))
    return claims


def _where(location: tuple[int | str, ...]) -> str:
    # Of a side, which may be one of several things, pydantic tells the fault of each.
    return "".join(f".{part}" for part in location if not str(part).startswith("Of"))


@dataclass(frozen=True)
class Verdict:
    """What our scores say of a claim.

    Attributes:
        claim: The claim.
        above: Average accuracy in percent of the side said to be better.
        below: Of the other.
        low: Lower end of the interval of the difference, in points.
        high: Its upper end.
        n: Test images compared, an image counting once for every pair of encoders it is answered by.
        tasks: The tasks that are averaged over.
    """

    claim: Claim
    above: float
    below: float
    low: float
    high: float
    n: int
    tasks: tuple[str, ...]

    @property
    def difference(self) -> float:
        """Points between the sides."""
        return self.above - self.below

    @property
    def verdict(self) -> str:
        """``holds`` or ``does not hold`` where the whole interval says so, else ``undecided``."""
        if self.low >= self.claim.by and self.difference > self.claim.by:
            return "holds"
        return "does not hold" if self.high < self.claim.by else "undecided"


class Scores:
    """The score files of one pool and suite, read when asked for."""

    def __init__(self, pool: str | Path, suite: str) -> None:
        self.pool = Path(pool)
        self.suite = suite

    def of(self, side: Side) -> pd.DataFrame | None:
        """Return the rows of one side of a claim, on test images, or None if its encoders were not made."""
        match side:
            case OfMethod():
                return self._read(f"scores/{self.suite}/{side.method}.csv")
            case OfSweep():
                return self._point(f"sweeps/{self.suite}/{side.sweep}/test.csv", "scaling", side.scaling)
            case OfTrajectory():
                return self._point(f"trajectories/{self.suite}/{side.trajectory}.csv", "step", side.step)
            case OfStudy():
                return self._study(side)
            case OfNegation():
                return self._negation(side)

    def _read(self, file: str) -> pd.DataFrame | None:
        path = self.pool / file
        return read_scores(path) if path.exists() else None

    def _point(self, file: str, column: str, value: float | str) -> pd.DataFrame | None:
        scores = self._read(file)
        if scores is None:
            return None
        if value == "best":
            averages = average_accuracy(scores, [column])
            value = averages.loc[averages["average"].idxmax(), column]
        elif value in ("first", "last"):
            value = scores[column].min() if value == "first" else scores[column].max()
        return _or_none(scores[np.isclose(scores[column], float(value))])

    def _parts(self, study: str) -> pd.DataFrame | None:
        files = sorted((self.pool / "studies" / study).glob("*.csv"))
        return pd.concat([read_scores(file) for file in files], ignore_index=True) if files else None

    def _study(self, side: OfStudy) -> pd.DataFrame | None:
        scores = self._parts(side.study)
        if scores is None:
            return None
        scores = scores[scores["split"] == "test"]
        for column in ("method", "variant", "merged"):
            wanted = getattr(side, column)
            if wanted is not None:
                scores = scores[scores[column] == wanted] if column in scores else scores.iloc[:0]
        if side.keep is not None:
            scores = scores[np.isclose(scores["keep"], side.keep)]
        if side.part == "corrupted":
            scores = scores[scores["part"] != "clean"]
        elif side.part is not None:
            scores = scores[scores["part"] == side.part]
        if side.tasks is not None:
            pairs = zip(scores["task"], scores["merged"], strict=True)
            seen = np.array([task in str(merged).split("+") for task, merged in pairs], bool)
            scores = scores[seen == (side.tasks == "seen")]
        return _or_none(scores)

    def _negation(self, side: OfNegation) -> pd.DataFrame | None:
        scores = self._parts(side.negation)
        if scores is None:
            return None
        chosen = chosen_negation(scores)
        wanted = {task: 0.0 if side.encoder == "before" else scaling for task, scaling in chosen.items()}
        test = scores[(scores["split"] == "test") & (scores["scaling"] == scores["merged"].map(wanted))]
        return _or_none(test[(test["task"] == test["merged"]) == (side.task == "target")])


def _or_none(scores: pd.DataFrame) -> pd.DataFrame | None:
    return None if scores.empty else scores


def judge(claim: Claim, scores: Scores, seed: int = 0) -> Verdict | None:
    """Judge a claim, or return None if its encoders were not made.

    The difference of averages over tasks gets a paired bootstrap interval: test images are drawn anew within every
    task, the two sides' answers to an image together.
    """
    sides = [scores.of(claim.above), scores.of(claim.below)]
    if any(side is None or "right" not in side for side in sides):
        return None
    above, below = (_keyed(side) for side in sides if side is not None)
    keys = [key for key in above.index if key in below.index]
    if not keys:
        return None
    above, below = above.loc[keys], below.loc[keys]
    differences = [
        unpack_right(one["right"], one["n"]).astype(int) - unpack_right(other["right"], other["n"])
        for (_, one), (_, other) in zip(above.iterrows(), below.iterrows(), strict=True)
    ]
    low, high = np.quantile(_resampled(differences, seed), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Verdict(
        claim,
        above=float((100 * above["correct"] / above["n"]).mean()),
        below=float((100 * below["correct"] / below["n"]).mean()),
        low=100 * float(low),
        high=100 * float(high),
        n=sum(map(len, differences)),
        tasks=tuple(dict.fromkeys(task for *_, task in keys)),
    )


def _keyed(side: pd.DataFrame) -> pd.DataFrame:
    """Rows by what pairs them with the other side's: part and merged tasks where a study has several, and task."""
    keys = [column for column in ("part", "merged") if column in side and side[column].notna().all()]
    return side.set_index([*keys, "task"], drop=False) if keys else side.set_index([["-"] * len(side), side["task"]])


def _resampled(differences: Sequence[npt.NDArray[np.integer]], seed: int) -> npt.NDArray[np.floating]:
    """The mean over rows of the mean difference, for images drawn anew in every row."""
    generator = np.random.default_rng(seed)
    total = np.zeros(RESAMPLES)
    for own in differences:
        # How often an image is drawn whose answers differ one way, not at all, or the other way.
        shares = np.array([(own == sign).mean() for sign in (1, 0, -1)])
        drawn = generator.multinomial(len(own), shares / shares.sum(), RESAMPLES)
        total += (drawn[:, 0] - drawn[:, 2]) / len(own)
    return total / len(differences)


def caveats(verdict: Verdict, flags: Mapping[str, str], encoder: str) -> list[str]:
    """Return what to bear in mind: contaminated splits, and that published numbers are of another encoder."""
    contaminated = [task for task in verdict.tasks if task in flags]
    told = [f"contaminated split: {', '.join(contaminated)}"] if contaminated else []
    published = verdict.claim.published
    if published and not published.encoder.replace("/", "-").startswith(encoder):
        told.append(f"published for {published.encoder}")
    return told


def claims_table(claims: Mapping[str, Claim], scores: Scores, flags: Mapping[str, str], encoder: str) -> pd.DataFrame:
    """Return one row per claim whose encoders were made.

    Args:
        claims: The claims by id, in order.
        scores: Where the answers are.
        flags: By task, what is wrong with its splits.
        encoder: The pool's architecture.

    Returns:
        Columns ``id``, ``claim``, ``paper``, ``section``, ``verdict``, ``above``, ``below``, ``difference``, ``low``,
        ``high`` (percent and points), ``by``, ``n``, ``published above``, ``published below``, ``source``, ``caveats``.
    """
    rows = []
    for name, claim in claims.items():
        verdict = judge(claim, scores)
        if verdict is None:
            continue
        published = claim.published
        rows.append(
            {
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
                "by": claim.by,
                "n": verdict.n,
                "published above": published.above if published else None,
                "published below": published.below if published else None,
                "source": published.source if published else "",
                "caveats": "; ".join(caveats(verdict, flags, encoder)),
            }
        )
    return pd.DataFrame(rows)


def claims_markdown(table: pd.DataFrame, total: int) -> str:
    """Return the verdicts in Markdown, with a line on how to read them."""
    from tabulate import tabulate

    if table.empty:
        return f"None of {total} claims can be judged: their encoders were not made.\n"
    cells = [
        [
            row["verdict"],
            row["claim"] if not row["by"] else f"{row['claim']} (by {row['by']:g})",
            f"{row['difference']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}]",
            f"{row['above']:.1f} / {row['below']:.1f}",
            _evidence(row),
            str(row["n"]),
            f"arXiv:{row['paper']}, {row['section']}",
            row["caveats"],
        ]
        for row in table.to_dict("records")
    ]
    headers = ["Verdict", "Claim", "Difference", "Ours", "Published", "n", "Paper", "To bear in mind"]
    text = tabulate([[str(cell).replace("|", "\\|") for cell in row] for row in cells], headers, tablefmt="github")
    count = table["verdict"].value_counts()
    counts = ", ".join(f"{count.get(name, 0)} {name}" for name in ("holds", "does not hold", "undecided"))
    return (
        f"{text}\n\n{counts}; {total - len(table)} of {total} claims need encoders that were not made. Difference: "
        "points of average accuracy with a 95 % paired bootstrap interval over test images (10,000 resamples within "
        "every task). A claim holds or does not hold where the whole interval says so. n: answers compared. One "
        "training run: the spread between seeds is not in the intervals.\n"
    )


def _evidence(row: Mapping[Hashable, Any]) -> str:
    return f"{row['published above']:.1f} / {row['published below']:.1f}" if row["source"] else "–"
