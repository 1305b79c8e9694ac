"""Names beside the points of a scatter plot, none on top of another or of a point."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DISTANCES = np.array([6, 9, 13, 18, 24, 31, 39, 48, 58, 69, 81, 94, 108])
"""Distances from a point at which its name is tried, in typographic points."""
DIRECTIONS = 24
NEAR = 9
"""A name further from its point than this is joined to it by a line."""
MARGIN = np.array([-2, -1.5, 2, 1.5])
"""What is left free around a name."""
STEPS = 40
"""Places along such a line at which it is kept off names and points."""

Points = npt.NDArray[np.floating]
"""Points on the page, ``[..., 2]``, in typographic points."""
Boxes = npt.NDArray[np.floating]
"""Rectangles on the page, ``[..., 4]``: left, bottom, right and top."""


def name_points(axes: Axes, points: Points, bars: Points, names: Sequence[str]) -> None:
    """Write the name of every point at the nearest place that is free, or else at the one with the fewest overlaps.

    Args:
        axes: The axes, with all points drawn.
        points: The points, in units of the axes, ``[names, 2]``.
        bars: The lower and upper end of each point's vertical bar, ``[names, 2]``.
        names: The names.
    """
    figure = cast(Figure, axes.get_figure(root=True))
    renderer = FigureCanvasAgg(figure).get_renderer()
    # Where points are on the page is known once the layout is, and lines to names are not to change it.
    figure.draw_without_rendering()
    axes.autoscale(enable=False)
    unit = figure.dpi / 72
    at, low, high = (
        axes.transData.transform(np.column_stack([points[:, 0], heights])) / unit for heights in (points[:, 1], *bars.T)
    )
    inner = np.array(axes.get_window_extent().extents) / unit
    taken = np.concatenate([_around(at, 3), np.hstack([low - 1, high + 1])])
    distances = np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1))
    for index in np.argsort(-(1 / (1 + distances)).sum(axis=1), kind="stable"):
        text = axes.annotate(
            names[index], tuple(points[index]), (0, 0), textcoords="offset points", fontsize=6.5, ha="left", va="bottom"
        )
        # The layout is not to make room for names: points would move.
        text.set_in_layout(False)
        extent = text.get_window_extent(renderer)
        offsets, boxes, lines = _places(at[index], np.array([extent.width, extent.height]) / unit)
        outside = ((boxes[:, :2] < inner[:2]) | (boxes[:, 2:] > inner[2:])).any(axis=1)
        over = _overlaps(boxes, taken).sum(axis=1) + outside
        crossed = _overlaps(lines, taken).any(axis=1).sum(axis=1)
        cost = 100 * over + 10 * crossed + np.hypot(*(_nearest(boxes, at[index]) - at[index]).T) / 10
        best = int(np.argmin(cost))
        text.set_position(tuple(offsets[best]))
        taken = np.concatenate([taken, boxes[best][None] + MARGIN])
        if np.isfinite(lines[best]).all():
            taken = np.concatenate([taken, lines[best]])
            line = np.stack([at[index], _nearest(boxes[best], at[index])]) * unit
            axes.plot(*axes.transData.inverted().transform(line).T, color="0.6", linewidth=0.6, zorder=1)


def _places(at: Points, size: Points) -> tuple[Points, Boxes, Boxes]:
    """Where a name of this size can be, nearest first: its offset from the point, its box, and its line's boxes.

    Returns:
        Of shapes ``[places, 2]``, ``[places, 4]`` and ``[places, STEPS, 4]``; NaN where there is no line.
    """
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    steps = (DISTANCES[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)).reshape(-1, 2)
    # The box touches the end of the step with the side or corner that faces the point.
    offsets = steps - size * (1 - steps / np.abs(steps).max(axis=1, keepdims=True)) / 2
    corners = at + offsets
    boxes = np.hstack([corners, corners + size])
    ends = _nearest(boxes, at)
    shares = np.linspace(0, 1, STEPS)[:, None]
    # From beyond the point's marker to just before the name.
    far = np.hypot(*(ends - at).T)[:, None, None]
    along = (4 + shares * (far - 5)) / far
    lines = _around(at + along * (ends - at)[:, None], 0.5)
    return offsets, boxes, np.where(far > NEAR, lines, np.nan)


def _nearest(boxes: Boxes, at: Points) -> Points:
    """The point of each box that is nearest to a point."""
    return np.clip(at, boxes[..., :2], boxes[..., 2:])


def _around(points: Points, margin: float) -> Boxes:
    return np.concatenate([points - margin, points + margin], axis=-1)


def _overlaps(boxes: Boxes, others: Boxes) -> npt.NDArray[np.bool_]:
    """Whether each of some boxes, ``[..., 4]``, overlaps each of ``n`` others: ``[..., n]``; NaN overlaps none."""
    boxes = boxes[..., None, :]
    return np.asarray(((boxes[..., :2] < others[:, 2:]) & (boxes[..., 2:] > others[:, :2])).all(axis=-1))
