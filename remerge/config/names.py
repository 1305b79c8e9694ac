"""Checks of names that the user chooses: they become parts of file names, and columns of tables."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from remerge.config.wording import Fault
from remerge.figures.registry import FIGURES
from remerge.run.csvs import TEXTS
from remerge.tasks import MINI_TASKS, dates
from remerge.tasks.clip import CLIP_TASKS
from remerge.tasks.glue import GLUE_TASKS

# Names that the workflow uses for other files in the same folder.
RESERVED: Mapping[str, Sequence[str]] = {
    "pools": ["images", "texts", "downloads", "pretrained", "provenance", "check-clip"],
    "suites": [],
    "tasks": [
        *("pretraining", "pretrained", "clip"),  # images and weights that belong to no task
        # Columns of tables, which have one per task as well.
        *("average", "half_width", "normalised", "tasks", "valid", "compared", "agree"),
        *("keep", "difference", "lambda", "scored", "subsets", "lowest", "highest", "worst", "spread"),
        *TEXTS,
    ],
    "methods": [],
    # Other tables and figures of a suite.
    "studies": [
        *("main", "experts", "comparison", "zero_shot_gate", "claims", "cost", "leaderboard"),
        *("main_over_seeds", "claims_over_seeds"),
        *("regime", "regime_over_seeds", "correlation", "correlation_over_seeds"),
        *FIGURES,
    ],
}
EVERYWHERE = ("results",)
"""Names that nothing may have: the last folder of this name in a path is taken for the one that holds all results."""
DEVICES = frozenset(["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))])
"""Names that Windows keeps for devices, with any suffix."""
SUFFIXES = ["csv", "damaged", "html", "json", "log", "md", "png", "safetensors", "svg", "tex", "tsv", "txt", "yaml"]
"""Suffixes of files that lie beside folders, or other files, of these names."""


def faults_in_names(kind: str, names: Sequence[str]) -> Iterator[Fault]:
    """Yield what is wrong with the names of one section of the configuration, beside their characters and length."""
    taken = {name.lower(): name for name in (*RESERVED[kind], *EVERYWHERE)}
    if kind == "tasks":
        taken |= {name.lower(): name for name in (*MINI_TASKS, *CLIP_TASKS, *dates.TASKS, *GLUE_TASKS)}
    seen: dict[str, str] = {}
    for name in names:
        first, *_, last = name.lower().split(".") if "." in name else (name.lower(), "")
        if name.lower() in taken:
            yield (kind, name), f"the name {taken[name.lower()]!r} is taken; choose another"
        elif first in DEVICES:
            yield (kind, name), f"Windows cannot have files of the name {first!r}; choose another"
        elif name.endswith(".") or last in SUFFIXES:
            yield (kind, name), f"ends like a file's name, with {'.' + last!r}; choose another"
        if (other := seen.setdefault(name.lower(), name)) != name:
            yield (kind, name), f"differs from {other!r} only in case, which some file systems cannot tell apart"


def fault_in_label(label: str) -> str:
    """Return what keeps a method's label from standing in tables and figures; empty if nothing does."""
    if not label.isprintable() or label != label.strip():
        return "has line breaks, control characters, or blanks at an end; remove them"
    if label.startswith("_"):
        return "begins with '_', and legends leave out what does; begin it otherwise"
    if undrawn := _not_in_font(label):
        return f"the figures' font, DejaVu Sans, cannot draw {', '.join(map(repr, undrawn))}; use other characters"
    return ""


def _not_in_font(text: str) -> list[str]:
    if text.isascii():
        return []
    # Hardly any label needs it, and it takes longer to import than the configuration to check.
    import matplotlib as mpl
    from matplotlib.ft2font import FT2Font

    drawn = FT2Font(str(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))).get_charmap()
    return [character for character in dict.fromkeys(text) if ord(character) not in drawn]
