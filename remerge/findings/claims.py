"""Verdicts on the papers' claims, from score files alone."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from remerge.errors import RemergeError
from remerge.findings.measured import Measured, Methods
from remerge.findings.resampling import interval
from remerge.run.markup import MARKDOWN
from remerge.run.strict_yaml import read_yaml
from remerge.scoring.answers import unpack_right
from remerge.scoring.coverage import share
from remerge.scoring.scores import merged_tasks, read_parts, read_scores
from remerge.studies.tables import chosen_negation

AUTHORS = "task-vectors"
"""Origin of the checkpoints that the papers' numbers were measured on."""
COLUMNS = (
    *("id", "claim", "paper", "section", "verdict", "above", "below", "difference", "low", "high", "margin", "n"),
    *("published above", "published below", "source", "caveats"),
)
"""Columns of the table of claims."""


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


class OfBest(_Strict):
    """The best of all merged encoders of the main table, by test images."""

    best_of: Literal["merged"]


Side = OfMethod | OfSweep | OfTrajectory | OfStudy | OfNegation | OfBest


class Published(_Strict):
    """The papers' own numbers, and the checkpoints they were measured on."""

    above: float
    below: float
    source: str
    encoder: str
    origin: str


class Claim(_Strict):
    """One claim: ``above`` is better than ``below`` by at least ``by`` points of average accuracy."""

    statement: str
    paper: Annotated[str, Field(pattern=r"^\d{4}\.\d{5}$")]
    section: str
    above: Side
    below: Side
    by: float = 0.0
    published: Published | None = None
    other_parameters: tuple[str, ...] = ()
    """Methods that a run has with other parameters than published; :func:`of_run` fills it in."""


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


def of_run(
    claims: Mapping[str, Claim], methods: Methods, measured: Mapping[str, Mapping[str, Measured]]
) -> dict[str, Claim]:
    """Return claims with methods named as a run names them, and those noted that it has with other parameters.

    A claim means a method by what it was published with: a run's method that has the same algorithm and parameters,
    whatever its name, or else the one of the same name.

    Args:
        claims: The claims by id.
        methods: The run's methods.
        measured: What published methods were measured with, by origin; claims without published numbers mean the
            authors' own.
    """
    fitted = {}
    for name, claim in claims.items():
        known = measured.get(claim.published.origin if claim.published else AUTHORS, {})
        sides = [_side_of_run(side, methods, known) for side in (claim.above, claim.below)]
        others = tuple(dict.fromkeys(other for _, other in sides if other))
        update = {"above": sides[0][0], "below": sides[1][0], "other_parameters": others}
        fitted[name] = claim.model_copy(update=update)
    return fitted


def _side_of_run(side: Side, methods: Methods, known: Mapping[str, Measured]) -> tuple[Side, str]:
    """A side with its method named as in a run, and that name if its parameters are not the published ones."""
    field = next((key for key in ("method", "sweep", "trajectory") if getattr(side, key, None)), "")
    wanted = getattr(side, field, "")
    if wanted not in known:
        return side, ""
    free = ["scaling"] if field == "sweep" else []
    same = [name for name, method in methods.items() if known[wanted].is_of(method, but=free)]
    # Of methods that differ in the scaling alone the first has the curve.
    found = wanted if wanted in same and not free else same[0] if same else wanted
    return side.model_copy(update={field: found}), "" if same or wanted not in methods else wanted


@dataclass(frozen=True)
class Verdict:
    """What our scores say of a claim.

    Attributes:
        claim: The claim.
        above: Average accuracy in percent of the side said to be better.
        below: Of the other.
        low: Lower end of the interval of the difference, in points.
        high: Its upper end.
        n: Test images compared, each counting once however often it is answered.
        tasks: The tasks that are averaged over.
        best: What was best, for every side that is the best of several encoders.
        differences: Points between the sides for each training seed.
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
        """Points between the sides."""
        return self.above - self.below

    @property
    def verdict(self) -> str:
        """``holds`` or ``does not hold`` where the whole interval says so, else ``undecided``."""
        if self.low >= self.claim.by and self.difference > self.claim.by:
            return "holds"
        return "does not hold" if self.high < self.claim.by else "undecided"


@dataclass(frozen=True)
class Scores:
    """The score files that claims are judged from, each read when asked for; no other file is looked at.

    Attributes:
        methods: Files of the main table's methods, by method.
        sweeps: Files of curves over lambda, by method.
        trajectories: Files of AdaMerging's steps, by method.
        studies: Files of all parts of a study, by study.
        merged: The methods among which the best merged encoder is looked for.
    """

    methods: Mapping[str, Path] = field(default_factory=dict)
    sweeps: Mapping[str, Path] = field(default_factory=dict)
    trajectories: Mapping[str, Path] = field(default_factory=dict)
    studies: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    merged: Sequence[str] = ()

    @classmethod
    def declared(
        cls, inputs: Mapping[str, Any], params: Mapping[str, Any], results: Path = Path("results")
    ) -> "Scores":
        """Return the scores that the claims table's job declares, which names them in its parameters.

        Args:
            inputs: Paths under ``results/``, by the names they have in the rule.
            params: What each path of ``scores``, ``sweeps``, ``trajectories`` and ``studies`` belongs to, in their
                order, as ``methods``, ``swept``, ``learned`` and ``studies``; and ``merged``.
            results: Where the results folder lies.
        """

        def named(key: str, names: str) -> list[tuple[str, Path]]:
            paths = [results / Path(path).relative_to("results") for path in inputs[key]]
            return list(zip(params[names], paths, strict=True))

        studies: dict[str, list[Path]] = {}
        for study, path in named("studies", "studies"):
            studies.setdefault(study, []).append(path)
        return cls(
            methods=dict(named("scores", "methods")),
            sweeps=dict(named("sweeps", "swept")),
            trajectories=dict(named("trajectories", "learned")),
            studies=studies,
            merged=params["merged"],
        )

    def of(self, side: Side) -> dict[str, pd.DataFrame]:
        """Return the rows of one side of a claim, on test images.

        Returns:
            One entry, or one for each encoder that the side is the best of; none if they were not made.
        """
        match side:
            case OfMethod():
                found = {side.method: self._of_method(side.method)}
            case OfBest():
                found = self._of_most_tasks({name: self._of_method(name) for name in self.merged})
            case OfSweep():
                found = self._curve(side)
            case OfTrajectory():
                found = {side.trajectory: self._step(side)}
            case OfStudy():
                found = {side.study: self._study(side)}
            case OfNegation():
                found = {side.negation: self._negation(side)}
        return {name: scores for name, scores in found.items() if scores is not None and not scores.empty}

    def _of_method(self, method: str) -> pd.DataFrame | None:
        return read_scores(self.methods[method]) if method in self.methods else None

    def tasks(self) -> set[str]:
        """Return the tasks that have images: all that some method is scored on."""
        return {task for path in self.methods.values() for task in read_scores(path)["task"]}

    def _of_most_tasks(self, found: Mapping[str, pd.DataFrame | None]) -> dict[str, pd.DataFrame | None]:
        """Those that merge the most tasks: to merge fewer makes it easier to be best on them."""
        merged = {name: merged_tasks(scores) for name, scores in found.items() if scores is not None}
        most = "" if "" in merged.values() else max(merged.values(), key=lambda told: told.count("+"), default="")
        return {name: found[name] for name, told in merged.items() if told == most}

    def _curve(self, side: OfSweep) -> dict[str, pd.DataFrame | None]:
        if side.sweep not in self.sweeps:
            return {}
        scores = read_scores(self.sweeps[side.sweep])
        if side.scaling != "best":
            return {side.sweep: scores[np.isclose(scores["scaling"], side.scaling)]}
        return {f"lambda {scaling:g}": own for scaling, own in scores.groupby("scaling", sort=False)}

    def _step(self, side: OfTrajectory) -> pd.DataFrame | None:
        if side.trajectory not in self.trajectories:
            return None
        scores = read_scores(self.trajectories[side.trajectory])
        ends = {"first": scores["step"].min(), "last": scores["step"].max()}
        return scores[scores["step"] == ends.get(str(side.step), side.step)]

    def _parts(self, study: str) -> pd.DataFrame | None:
        files = self.studies.get(study, ())
        scores = read_parts(files) if files else pd.DataFrame()
        return None if scores.empty else scores

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
        return scores

    def _negation(self, side: OfNegation) -> pd.DataFrame | None:
        scores = self._parts(side.negation)
        if scores is None:
            return None
        chosen = chosen_negation(scores)
        wanted = {task: 0.0 if side.encoder == "before" else scaling for task, scaling in chosen.items()}
        test = scores[(scores["split"] == "test") & (scores["scaling"] == scores["merged"].map(wanted))]
        return test[(test["task"] == test["merged"]) == (side.task == "target")]


def judge(claim: Claim, scores: Scores, seed: int = 0) -> Verdict | None:
    """Judge a claim, or return None if its encoders were not made.

    The difference of averages gets a paired bootstrap interval: test images are drawn anew within every task, and an
    image brings all answers to it along, by either side and in every row. The best of several encoders is chosen anew
    in every resample.

    Raises:
        RemergeError: The rows of a task are not of the same images, or a side has several rows of one kind.
    """
    return judge_over_seeds(claim, {0: scores}, seed)


def judge_over_seeds(claim: Claim, scores: Mapping[int, Scores], seed: int = 0) -> Verdict | None:
    """Judge a claim by all training seeds for which its encoders were made, or return None if there are none.

    The difference is the mean over seeds, each over the same rows; :func:`remerge.findings.resampling.interval` says
    what its interval covers.

    Args:
        claim: The claim.
        scores: Of pools that differ in nothing but the seed, by seed.
        seed: Of the resamples.

    Raises:
        RemergeError: The rows of a task are not of the same images, or a side has several rows of one kind.
    """
    made = {number: _sides(claim, own) for number, own in scores.items()}
    sides = {number: own for number, own in made.items() if own is not None}
    keyed = [_keyed(encoder, claim) for own in sides.values() for side in own for encoder in side.values()]
    keys = [key for key in keyed[0].index if all(key in other.index for other in keyed)] if keyed else []
    if not keys:
        return None
    keyed = [encoder.loc[keys] for encoder in keyed]
    answers = _answers(keyed, claim)
    accuracies = iter([float((100 * encoder["correct"] / encoder["n"]).mean()) for encoder in keyed])
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
    """The encoders of both sides, or None if they were not made or it was not kept which images they answer rightly."""
    sides = [scores.of(claim.above), scores.of(claim.below)]
    encoders = [encoder for side in sides for encoder in side.values()]
    if not all(sides) or any("right" not in encoder for encoder in encoders):
        return None
    return sides if _comparable(claim, sides, scores.merged) else None


def _comparable(claim: Claim, sides: Sequence[Mapping[str, pd.DataFrame]], merging: Sequence[str]) -> bool:
    """Whether the encoders merge the same tasks, those that merge any."""
    merged = set()
    for side, encoders in zip((claim.above, claim.below), sides, strict=True):
        for name, scores in encoders.items():
            told = merged_tasks(scores)
            if told or name in merging or isinstance(side, OfSweep | OfTrajectory):
                merged.add(told)
    return len(merged) <= 1


def _keyed(encoder: pd.DataFrame, claim: Claim) -> pd.DataFrame:
    """Rows by what pairs them with the other side's: part and merged tasks where a study has several, and task."""
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


def _answers(keyed: Sequence[pd.DataFrame], claim: Claim) -> dict[str, npt.NDArray[np.int64]]:
    """By task, how often each image is answered rightly by each encoder, ``[images, encoders]``."""
    answers: dict[str, npt.NDArray[np.int64]] = {}
    for column, encoder in enumerate(keyed):
        for task, n, right in zip(encoder["task"], encoder["n"], encoder["right"], strict=True):
            counts = answers.setdefault(task, np.zeros((n, len(keyed)), np.int64))
            if len(counts) != n:
                raise RemergeError(
                    f"claim {claim.statement!r}: {task} has {len(counts)} test images in one row and {n} in another; "
                    "run snakemake to have it scored again"
                )
            counts[:, column] += unpack_right(right, n)
    return answers


def caveats(verdict: Verdict, flags: Mapping[str, str], encoder: str, origin: str) -> list[str]:
    """Return what to bear in mind: what was best, contaminated splits, checkpoints and parameters not as published."""
    told = [f"best: {name}" for name in verdict.best]
    if contaminated := [task for task in verdict.tasks if task in flags]:
        told.append(f"contaminated split: {', '.join(contaminated)}")
    published = verdict.claim.published
    if published and (published.encoder.split(",")[0].replace("/", "-"), published.origin) != (encoder, origin):
        told.append(f"published for other checkpoints: {published.encoder}, {published.origin}")
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
        scores: Where the answers are.
        flags: By task, what is wrong with its splits.
        encoder: The pool's architecture.
        origin: Where its checkpoints come from.
        tasks: The suite's tasks; caveats name those without images.

    Returns:
        :data:`COLUMNS`; accuracies in percent, the difference, its interval and the margin in points.
    """
    judged = {name: judge(claim, scores) for name, claim in claims.items()}
    absent = without_images(scores.tasks(), tasks)
    rows = [table_row(name, verdict, flags, encoder, origin, absent) for name, verdict in judged.items() if verdict]
    return pd.DataFrame(rows, columns=COLUMNS)


def without_images(present: Collection[str], tasks: Sequence[str]) -> list[str]:
    """Return a caveat that names the tasks that were not scored, if there are any."""
    absent = [task for task in tasks if task not in present]
    return [f"{share(present, tasks)} tasks: no images of {', '.join(absent)}"] if absent else []


def table_row(
    name: str, verdict: Verdict, flags: Mapping[str, str], encoder: str, origin: str, absent: Sequence[str]
) -> dict[str, Any]:
    """Return what tables say of a claim, in the columns :data:`COLUMNS`.

    Arguments are as for :func:`claims_table`; ``absent`` is what :func:`without_images` returned.
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
        "caveats": "; ".join([*caveats(verdict, flags, encoder, origin), *absent]),
    }


def claims_markdown(table: pd.DataFrame, total: int) -> str:
    """Return the verdicts in Markdown, with a line on how to read them."""
    from tabulate import tabulate

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
    count = table["verdict"].value_counts()
    counts = ", ".join(f"{count.get(name, 0)} {name}" for name in ("holds", "does not hold", "undecided"))
    return (
        f"{text}\n\n{counts}; {total - len(table)} of {total} claims need encoders that were not made or merge other"
        " tasks. Difference: points of average accuracy, with a 95 % paired bootstrap interval (10,000 resamples of"
        " test images within every task; an image brings all answers to it along). A claim holds if the whole "
        "interval reaches its margin, 0 unless printed, and does not hold if the whole interval is below it. The "
        "intervals cover the choice of test images only; where a side is the best of several, the best is chosen "
        "anew in every resample. One training seed: the spread between seeds is not in the intervals. n: test "
        "images compared. Source: where the published numbers were printed (published/sources.csv), or the paper's "
        "section.\n"
    )


def _evidence(row: Mapping[Hashable, Any]) -> str:
    return f"{row['published above']:.1f} / {row['published below']:.1f}" if pd.notna(row["published above"]) else "–"
