"""Are a small benchmark's checkpoints like the papers'? Facts of them, beside ViT-B/32's."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError
from tabulate import tabulate

from remerge.errors import RemergeError
from remerge.findings.claimed_scores import Scores
from remerge.findings.claims import OfMethod, OfSweep, Side, side_of_run
from remerge.methods.measured import Measured, Methods
from remerge.run.markup import MARKDOWN
from remerge.run.strict_yaml import read_yaml
from remerge.scoring.scores import accuracy

ARCHITECTURE = "ViT-B-32"
"""The encoder that a small benchmark stands for, with the Task Arithmetic authors' checkpoints."""


class Fact(BaseModel):
    """One fact: an average accuracy, a difference between two, a lambda or the mean cosine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fact: str
    of: Side | Literal["cosine"]
    minus: Side | None = None
    reads: Literal["accuracy", "scaling"] = "accuracy"
    within: tuple[float | None, float | None] = (None, None)

    @property
    def sides(self) -> list[Side]:
        """The sides that it is about."""
        return [side for side in (self.of, self.minus) if side is not None and side != "cosine"]


class Standard(BaseModel):
    """How a small benchmark is compared with ViT-B/32; see ``published/fidelity.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    may_differ: tuple[str, ...]
    regime: dict[str, Fact]


def read_standard(path: str | Path) -> Standard:
    """Read how a small benchmark is compared with ViT-B/32.

    Raises:
        RemergeError: The file is invalid; the message names the keys at fault.
    """
    try:
        return Standard.model_validate(read_yaml(Path(path)))
    except ValidationError as error:
        faults = [f"{path}: {'.'.join(map(str, own['loc']))}: {own['msg']}" for own in error.errors()]
        raise RemergeError("\n".join(faults)) from error


def of_run(
    facts: Mapping[str, Fact], methods: Methods, known: Mapping[str, Measured], may_differ: Sequence[str]
) -> dict[str, Fact]:
    """Return the facts that a run can have, with its names of methods.

    A fact of a method that the run has with other parameters only, beside those that may differ, is left out.

    Args:
        facts: The facts by id.
        methods: The run's methods.
        known: What published methods were measured with, by name.
        may_differ: Parameters that may differ.
    """
    fitted = {}
    for name, fact in facts.items():
        sides = [side_of_run(side, methods, known, may_differ) for side in fact.sides]
        if not any(others for _, others in sides):
            fitted[name] = fact.model_copy(update=dict(zip(("of", "minus"), (side for side, _ in sides), strict=False)))
    return fitted


def regime_table(
    facts: Mapping[str, Fact],
    fitted: Mapping[str, Fact],
    scores: Mapping[int, Scores],
    cosines: Mapping[int, pd.DataFrame],
    published: Mapping[str, float],
    curves: pd.DataFrame,
) -> pd.DataFrame:
    """Return one row per fact.

    Args:
        facts: The facts by id, in order, as published methods are called.
        fitted: The result of :func:`of_run`.
        scores: The scores of all encoders, by training seed.
        cosines: The cosines between task vectors (``task_a``, ``task_b``, ``cosine``), by seed.
        published: ViT-B/32's published averages, in percent, by method.
        curves: Its published curves over lambda (``method``, ``scaling``, ``average``).

    Returns:
        ``id``, ``fact``, ``value`` (mean over seeds; missing if not made), ``at least`` and ``at most``, ``published``,
        ``seeds`` (for how many it was made) and ``within`` (for how many it is within these); with several seeds also
        ``lowest``, ``highest`` and ``seed {seed}``.
    """
    rows = []
    for name, fact in facts.items():
        values = {
            seed: _value(fitted[name], own, cosines[seed]) if name in fitted else None for seed, own in scores.items()
        }
        made = [value for value in values.values() if value is not None]
        least, most = fact.within
        rows.append(
            {
                "id": name,
                "fact": fact.fact,
                "value": np.mean(made) if made else None,
                "at least": least,
                "at most": most,
                "published": _published(fact, published, curves),
                "seeds": len(made),
                "within": sum((least is None or value >= least) and (most is None or value <= most) for value in made),
            }
            | ({"lowest": min(made, default=None), "highest": max(made, default=None)} if len(scores) > 1 else {})
            | ({f"seed {seed}": value for seed, value in values.items()} if len(scores) > 1 else {})
        )
    return pd.DataFrame(rows)


def _value(fact: Fact, scores: Scores, cosine: pd.DataFrame) -> float | None:
    """What the fact comes to; None if its encoders were not made."""
    if fact.of == "cosine":
        others = cosine.loc[cosine["task_a"] != cosine["task_b"], "cosine"]
        return None if others.empty else float(others.mean())
    best = [
        max(
            ((float(accuracy(own).mean()), own) for own in scores.of(side).values()),
            key=lambda pair: pair[0],
            default=None,
        )
        for side in fact.sides
    ]
    found = [pair for pair in best if pair is not None]
    if len(found) < len(best):
        return None
    if fact.reads == "scaling":
        return float(found[0][1]["scaling"].iloc[0])
    return found[0][0] - sum(value for value, _ in found[1:])


def _published(fact: Fact, averages: Mapping[str, float], curves: pd.DataFrame) -> float | None:
    """The same of what was published."""
    values = [_published_side(side, averages, curves, fact.reads) for side in fact.sides]
    known = [value for value in values if value is not None]
    return known[0] - sum(known[1:]) if known and len(known) == len(values) else None


def _published_side(side: Side, averages: Mapping[str, float], curves: pd.DataFrame, reads: str) -> float | None:
    if isinstance(side, OfMethod):
        return averages.get(side.method)
    if not isinstance(side, OfSweep):
        return None
    curve = curves[curves["method"] == side.sweep]
    if side.scaling == "best":
        curve = curve[curve["average"] == curve["average"].max()]
    else:
        curve = curve[np.isclose(curve["scaling"], side.scaling)]
    return None if curve.empty else float(curve["scaling" if reads == "scaling" else "average"].iloc[0])


def regime_markdown(table: pd.DataFrame) -> str:
    """Return the facts in Markdown.

    Args:
        table: The result of :func:`regime_table`.
    """
    several = "lowest" in table
    body = [
        [
            MARKDOWN.plain(row["fact"]),
            _number(row["value"]),
            *([f"{_number(row['lowest'])} to {_number(row['highest'])}"] if several else []),
            _bounds(row["at least"], row["at most"]),
            _verdict(row["within"], row["seeds"], several, bounded=pd.notna([row["at least"], row["at most"]]).any()),
            _number(row["published"]),
        ]
        for row in table.to_dict("records")
    ]
    headers = ["Fact", "Here", *(["Over seeds"] if several else []), "Aim", "Met", "ViT-B/32, published"]
    note = (
        f"{'Means over training seeds; met: by how many. ' if several else ''}Accuracies are averages over tasks, on "
        "test images. Aim: what counts as the regime of the papers (published/fidelity.yaml). Published: on the Task "
        "Arithmetic authors' checkpoints (published/main.csv and curves.csv). –: not known or not made."
    )
    return f"{tabulate(body, headers, tablefmt='github', disable_numparse=True)}\n\n{note}\n"


def _number(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.2f}" if abs(value) < 1 else f"{value:.1f}"


def _bounds(least: float, most: float) -> str:
    if pd.notna(least) and pd.notna(most):
        return f"{least:g} to {most:g}"
    return f"at least {least:g}" if pd.notna(least) else f"at most {most:g}" if pd.notna(most) else "–"


def _verdict(within: int, seeds: int, several: bool, *, bounded: bool) -> str:
    if not bounded or not seeds:
        return "–"
    return f"{within}/{seeds}" if several else "yes" if within else "no"
