"""Curves of scores, of which a point may be an encoder that has been scored before."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from remerge.scoring.scores import read_scores


def with_points(
    scores: pd.DataFrame, axis: str, points: Mapping[int, str | Path] | Mapping[float, str | Path]
) -> pd.DataFrame:
    """Return the scores along a curve, with those of more points, read from other encoders' score files.

    Args:
        scores: Those of the other points; the column ``axis`` has their places.
        axis: ``scaling`` or ``step``.
        points: Score files by place. What they say of the encoder, such as ``method``, is for the caller to replace.

    Raises:
        RemergeError: See :func:`remerge.scoring.scores.read_scores`.
    """
    before = [read_scores(path).assign(**{axis: place}) for place, path in points.items()]
    return pd.concat([scores, *before]).sort_values(axis, kind="stable", ignore_index=True)
