"""Common style of all figures: sizes, fonts, and a colour, line and marker per method, distinguishable in grey."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from remerge.run.atomic import atomic_path

WIDTH = 6.5
"""Width of two text columns in inches; figures are printed at their original size."""

MANY = 12
"""Entries that a legend beside the curves can have."""

_STYLE: dict[Any, Any] = {
    "font.size": 8,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "svg.hashsalt": "remerge",
    "svg.fonttype": "none",
}

# Okabe and Ito's palette, whose colours also differ in lightness, and six more.
_BLACK, _ORANGE, _SKY, _GREEN, _BLUE, _RED, _PURPLE, _GREY, _BROWN, _OLIVE, _WINE, _TEAL, _INDIGO = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
    "#7F7F7F",
    "#8C564B",
    "#999933",
    "#882255",
    "#44AA99",
    "#332288",
)


@dataclass(frozen=True)
class Look:
    """How a method is drawn."""

    color: str
    linestyle: str
    marker: str

    def line(self) -> dict[str, Any]:
        """Keyword arguments of a line without markers."""
        return {"color": self.color, "linestyle": self.linestyle}


def curve_styles(methods: Iterable[str], looks: Mapping[str, Look]) -> dict[str, dict[str, Any]]:
    """Return keyword arguments of the curves of some methods: they have markers if two are the same line without."""
    lines = {method: looks[method].line() for method in methods}
    if len({(line["color"], line["linestyle"]) for line in lines.values()}) == len(lines):
        return lines
    return {method: line | {"marker": looks[method].marker, "markersize": 4} for method, line in lines.items()}


_SIX = [("-", "o"), ("--", "s"), (":", "^"), ("-.", "D"), ("-", "v"), ("--", "P")]
_EIGHT = [*_SIX, (":", "X"), ("-.", "d")]

FAMILIES = {
    "pretrained": [Look(_GREY, ":", "x")],
    "individual": [Look(_BLACK, ":", "*")],
    "traditional_mtl": [Look(_BLACK, "--", "X")],
    "weight_averaging": [Look(_PURPLE, "-.", "P")],
    "fisher": [Look(_PURPLE, "--", "d")],
    "regmean": [Look(_PURPLE, ":", "H")],
    "task_arithmetic": [Look(_ORANGE, "-", "o"), Look(_ORANGE, "--", "h"), Look(_ORANGE, ":", "8")],
    "ties": [
        Look(_GREEN, "-", "^"),
        Look(_GREEN, "--", "v"),
        Look(_GREEN, ":", ">"),
        Look(_GREEN, "-.", "<"),
    ],
    "masks": [Look(_OLIVE, line, marker) for line, marker in _SIX],
    "directions": [Look(_WINE, line, marker) for line, marker in _SIX],
    "exemplars": [Look(_PURPLE, line, marker) for line, marker in _SIX],
    "singular values": [Look(_TEAL, line, marker) for line, marker in _EIGHT],
    "own": [Look(_RED, "-", "P"), Look(_RED, ":", "X"), Look(_RED, "-.", "*")],
    "adamerging task": [Look(_SKY, "-", "s"), Look(_SKY, ":", "p")],
    "adamerging task ++": [Look(_SKY, "--", "D"), Look(_SKY, "-.", "d")],
    "adamerging layer": [Look(_BLUE, "-", "s"), Look(_BLUE, ":", "p")],
    "adamerging layer ++": [Look(_RED, "--", "D"), Look(_RED, "-.", "d")],
    "parts": [Look(_INDIGO, line, marker) for line, marker in _EIGHT],
    "other": [Look(_BROWN, "-", "o"), Look(_BROWN, "--", "s"), Look(_BROWN, ":", "^"), Look(_BROWN, "-.", "D")],
}
"""Looks by family, assigned to its methods in turn; families that are not listed use the looks of ``other``."""


def looks(methods: Mapping[str, Mapping[str, object]]) -> dict[str, Look]:
    """Return each method's look, the same in every figure: the family sets the colour, the index line and marker.

    Args:
        methods: All methods of the configuration, in order, by id, each with its family of ``looks``.
    """
    chosen: dict[str, Look] = {}
    taken: Counter[str] = Counter()
    for name, method in methods.items():
        family = str(method["looks"]) if method["looks"] in FAMILIES else "other"
        variants = FAMILIES[family]
        chosen[name] = variants[taken[family] % len(variants)]
        taken[family] += 1
    return chosen


def labels(methods: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    """Return each method's display name, by id, in order, escaped for matplotlib.

    Args:
        methods: As for :func:`looks`, with ``label``.
    """
    # Matplotlib treats text between two dollar signs as mathematics.
    return {name: str(method["label"]).replace("$", r"\$") for name, method in methods.items()}


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure of this height and width in inches, with a layout that avoids overlaps."""
    mpl.rcParams.update(_STYLE)
    return Figure(figsize=(width, height), layout="constrained")


def reference_line(axes: Axes, value: float, label: str, look: Look) -> None:
    """Draw a horizontal line with a label above its right end."""
    axes.axhline(value, linewidth=1, **look.line())
    axes.annotate(
        label,
        (1, value),
        xycoords=("axes fraction", "data"),
        xytext=(-2, 2),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=7,
        color=look.color,
    )


def tell_absent(figure: Figure, shown: Iterable[str], tasks: Sequence[str]) -> Figure:
    """Add a heading that names the tasks missing from a figure, if any, and return the figure."""
    present = set(shown)
    if absent := [task for task in tasks if task not in present]:
        count = len(tasks) - len(absent)
        figure.suptitle(f"{count}/{len(tasks)} tasks; nothing of {', '.join(absent)}", fontsize=7)
    return figure


def save_figure(figure: Figure, svg: str | Path, png: str | Path) -> None:
    """Write a figure as SVG and as PNG (200 dpi); the same figure gives the same bytes."""
    with atomic_path(svg) as temporary:
        figure.savefig(temporary, metadata={"Date": None, "Creator": None})
    with atomic_path(png) as temporary:
        figure.savefig(temporary, dpi=200, metadata={"Software": None})


def legend_below_or_beside(figure: Figure, axes: Axes, *, below: bool = False) -> None:
    """Put the legend of curves beside them or, as that of many would take their room, below the figure.

    Args:
        figure: The figure.
        axes: Where the curves are.
        below: Whether even the legend of few is to be below.
    """
    handles, names = axes.get_legend_handles_labels()
    if below or len(handles) > MANY:
        figure.set_figheight(figure.get_figheight() + 0.15 * len(handles) / 3)
        figure.legend(handles, names, loc="outside lower center", ncols=3)
    else:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
