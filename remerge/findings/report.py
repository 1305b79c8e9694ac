"""The report: a self-contained page with everything people read; it needs neither network nor repository."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from remerge.run.atomic import atomic_path
from remerge.run.last_run import lineage

TABLES = {
    "main_over_seeds": (
        "Accuracy of every method, over training seeds",
        "Average over tasks with each seed: is the gap between two methods larger than the spread between seeds?",
    ),
    "main": (
        "Accuracy of every method",
        "Rows: methods; columns: tasks. Begin here: does a merged encoder come near the experts (Individual), and how "
        "far above the pre-trained encoder is it?",
    ),
    "leaderboard": (
        "Leaderboard, by what methods need",
        "Best first in each block, beside the averages published for every family of checkpoints and every encoder.",
    ),
    "comparison": ("Beside the published numbers", "The same checkpoints, scored by others; differences in points."),
    "fidelity_over_seeds": (
        "As on ViT-B/32, over training seeds?",
        "Averages over seeds beside those published for ViT-B/32: are methods ranked alike?",
    ),
    "fidelity": (
        "As on ViT-B/32?",
        "Averages beside those published for ViT-B/32, on other tasks: levels differ, but are methods ranked alike?",
    ),
    "regime_over_seeds": ("In the regime of the papers, over training seeds?", "What the seeds' checkpoints are like."),
    "regime": (
        "In the regime of the papers?",
        "What the checkpoints are like, beside ViT-B/32's: methods may rank alike if these are alike.",
    ),
    "claims_over_seeds": (
        "Do the papers' claims hold over training seeds?",
        "Each claim, judged by several encoders that differ in nothing but the seed.",
    ),
    "claims": (
        "Do the papers' claims hold?",
        "Each claim, judged by these encoders: the difference it speaks of, with the interval that test images alone "
        "leave open.",
    ),
    "experts": ("Experts on other tasks", "What fine-tuning on one task does to the others."),
    "cost": ("What it took", "Time, memory, storage and data of every method."),
}


@dataclass(frozen=True)
class Section:
    """A pool and a suite.

    Attributes:
        pool: The pool's name.
        suite: The suite's.
        tasks: The suite's tasks.
        about: Description of the run, line by line.
        tables: By name, the description from :data:`TABLES` or the study, and the path of the Markdown file.
        figures: By name, the caption and the path of the SVG.
        flags: By task, of this suite or another, what is wrong with its splits.
    """

    pool: str
    suite: str
    tasks: Sequence[str]
    about: Sequence[str]
    tables: Mapping[str, str | Path]
    figures: Mapping[str, tuple[str, str | Path]]
    flags: Mapping[str, str]


def write_report(path: str | Path, template: str | Path, sections: Iterable[Section]) -> None:
    """Write the page.

    Args:
        path: The HTML file.
        template: The page's Jinja template.
        sections: The sections of the page, in order.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(Path(template).read_text(encoding="utf-8"))
    sections = list(sections)
    shown = [_shown(section) for section in sections]
    made = _made(Path(path).parent, sections)
    with atomic_path(path) as temporary:
        temporary.write_text(page.render(sections=shown, made=made), encoding="utf-8")


def _shown(section: Section) -> dict[str, Any]:
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    return {
        "pool": section.pool,
        "suite": section.suite,
        "id": f"{section.pool}/{section.suite}",
        "about": section.about,
        "flags": {task: told for task, told in section.flags.items() if task in section.tasks},
        "tables": [
            {
                "title": TABLES[name][0] if name in TABLES else f"Study: {name}",
                "note": TABLES[name][1] if name in TABLES else "",
                "html": Markup(markdown.render(Path(path).read_text(encoding="utf-8"))),
            }
            for name, path in section.tables.items()
        ],
        "figures": [
            {"title": name.replace("_", " "), "caption": caption, "source": _embedded(path)}
            for name, (caption, path) in section.figures.items()
        ],
    }


def _embedded(path: str | Path) -> str:
    # As an image, not as markup, so that its content can neither run scripts nor interfere with the page.
    return "data:image/svg+xml;base64," + base64.b64encode(Path(path).read_bytes()).decode("ascii")


def _made(results: Path, sections: Sequence[Section]) -> dict[str, list[str]]:
    """What the records of all shown files and their inputs have in common, and where they differ."""
    shown = [path for section in sections for path in section.tables.values()]
    shown += [path for section in sections for _, path in section.figures.values()]
    records = lineage(results, [str(Path(path).relative_to(results)) for path in shown])
    found: dict[str, dict[str, int]] = {}
    for _, told in sorted(records.items()):
        own = {"remerge": told["remerge"], "commit": told["commit"], "device": told["device"], "Python": told["python"]}
        for key, value in (own | told["packages"]).items():
            counts = found.setdefault(key, {})
            counts[value] = counts.get(value, 0) + 1
    return {
        key: [f"{value} ({count} files)" if len(counts) > 1 else value for value, count in counts.items()]
        for key, counts in found.items()
    }
