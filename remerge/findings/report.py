"""The report: a self-contained page with everything people read; it needs neither network nor repository."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from remerge.findings.charts import CHARTS
from remerge.findings.claims import Claim
from remerge.findings.claims_evidence import claims_shown
from remerge.findings.main_views import across_sections, main_as_figure
from remerge.findings.markdown import read_table
from remerge.findings.section import Section
from remerge.findings.sentences import counts, findings
from remerge.findings.topics import TITLES, TOPICS
from remerge.methods.measured import Measured
from remerge.methods.registry import ALGORITHMS
from remerge.run.atomic import atomic_path
from remerge.run.last_run import lineage, record_in, within
from remerge.studies.kind import load

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
    "suites": (
        "Accuracy against the number of tasks",
        "Suites nested in each other: what does each method lose as tasks are added?",
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
        "Each claim, judged by these encoders: the difference it speaks of, with the interval that test {reads} alone "
        "leave open.",
    ),
    "experts": ("Experts on other tasks", "What fine-tuning on one task does to the others."),
    "cost": ("What it took", "Time, memory, storage and data of every method."),
}
"""By name of a table, its title and what to see in it. A table that no topic names gets a part of its own."""

LAST = ("experts", "fidelity", "cost")
"""The topics that stand after the studies."""
FORMATS = {".tex": "LaTeX", ".csv": "CSV", ".md": "Markdown"}


def write_report(
    path: str | Path,
    templates: str | Path,
    sections: Iterable[Section],
    vega: str = "",
    claims: Mapping[str, Claim] | None = None,
    measured: Mapping[str, Mapping[str, Measured]] | None = None,
) -> None:
    """Write the page.

    Args:
        path: The HTML file; it links to the files of the folder it lies in.
        templates: The folder of its Jinja templates, style and scripts; the page is ``page.html.j2``.
        sections: The sections of the page, in order.
        vega: The code of Vega, Vega-Lite and Vega-Embed as a script that sets ``window.vegaEmbed``; without it,
            figures are pictures alone.
        claims: The papers' claims by id, for links from verdicts to the evidence.
        measured: Settings with which published methods were measured, by origin.
    """
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FileSystemLoader(templates),
    )
    environment.globals["verbatim"] = lambda name: Markup((Path(templates) / name).read_text(encoding="utf-8"))
    sections, results = list(sections), Path(path).parent
    shown = [_shown(section, results, claims or {}, measured or {}) for section in sections]
    html = environment.get_template("page.html.j2").render(
        sections=shown,
        reads_texts=all(section.reads == "texts" for section in sections),
        index=across_sections(sections) if len(sections) > 1 else None,
        texts=_texts(sections, results),
        made=_made(results, sections),
        # The end of a script element is wherever it seems to stand.
        vega=Markup(vega.replace("</script", "<\\/script")),
    )
    with atomic_path(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


def _shown(
    section: Section,
    results: Path,
    claims: Mapping[str, Claim],
    measured: Mapping[str, Mapping[str, Measured]],
) -> dict[str, Any]:
    judged = claims_shown(section, claims, measured)
    parts = [_part(section, results, part) for part in _parts(section)]
    asked = [part["question"] for part in parts]
    for part in parts:
        part["claims"] = judged if part["name"] == "claims" else []
        part["repeated"] = asked.count(part["question"]) > 1
    return {
        "pool": section.pool,
        "suite": section.suite,
        "id": section.id,
        "about": section.about,
        "flags": {task: told for task, told in section.flags.items() if task in section.tasks},
        "findings": findings(section),
        "counts": counts(section),
        "papers": _papers(section, [claim["paper"] for claim in judged]),
        "parts": parts,
    }


def _papers(section: Section, papers: Sequence[str]) -> dict[str, str]:
    """Each paper's identifier, with the methods that it published if some are in the run."""
    methods: dict[str, list[str]] = {paper: [] for paper in sorted(papers)}
    for algorithm in dict.fromkeys(method["algorithm"] for method in section.methods.values()):
        if (paper := ALGORITHMS[algorithm].paper.removeprefix("arXiv:")) in methods:
            methods[paper].append(_words(algorithm))
    return {paper: f"{paper} ({', '.join(names)})" if names else paper for paper, names in methods.items()}


@dataclass(frozen=True)
class _Part:
    name: str
    question: str
    answer: str
    tables: Sequence[str]
    figures: Sequence[str]


def _parts(section: Section) -> list[_Part]:
    """The parts of a section, in order: topics, studies, and what belongs to neither."""
    topics = {
        name: _Part(
            name,
            topic.question,
            topic.answer(section),
            [table for table in topic.tables if table in section.tables],
            [figure for figure in topic.figures if figure in section.figures],
        )
        for name, topic in TOPICS.items()
    }
    studies = [_Part(f"studies/{name}", *_study(section, name), [name], [name]) for name in section.studies]
    tables = {table for part in (*topics.values(), *studies) for table in part.tables}
    figures = {figure for part in (*topics.values(), *studies) for figure in part.figures}
    alone = [
        *(_Part(f"tables/{name}", _title(name), "", [name], []) for name in section.tables if name not in tables),
        *(_Part(f"figures/{name}", _words(name), "", [], [name]) for name in section.figures if name not in figures),
    ]
    first, last = ([part for name, part in topics.items() if (name in LAST) == late] for late in (False, True))
    return [part for part in (*first, *studies, *alone, *last) if part.tables or part.figures]


def _study(section: Section, name: str) -> tuple[str, str]:
    """A study's question and answer."""
    kind, table = load(section.studies[name]), section.table(name)
    if table.empty:
        return kind.QUESTION, ""
    fewer = f" {table['scored'].iloc[0]} tasks have images." if "scored" in table else ""
    return kind.QUESTION, kind.answer(table, section.labels) + fewer


def _part(section: Section, results: Path, part: _Part) -> dict[str, Any]:
    paths = [*(section.tables[name][0] for name in part.tables), *(section.figures[name][1] for name in part.figures)]
    return {
        "id": f"{section.id}/{part.name}",
        "name": part.name,
        "study": part.name.removeprefix("studies/") if part.name.startswith("studies/") else "",
        "question": part.question,
        "answer": part.answer,
        "tables": [_table(section, results, name) for name in part.tables],
        "figures": [_figure(section, results, name) for name in part.figures],
        "files": _computed_from(results, [_within(results, path) for path in paths]),
    }


def _title(table: str) -> str:
    return TABLES[table][0] if table in TABLES else _words(table)


def _table(section: Section, results: Path, name: str) -> dict[str, Any]:
    files = section.tables[name]
    table = read_table(Path(files[0]).read_text(encoding="utf-8"))
    return {
        "id": f"{section.id}/table/{name}",
        "title": _title(name),
        "note": TABLES[name][1].format(reads=section.reads) if name in TABLES else "",
        "table": main_as_figure(table, section) if name == "main" else table,
        "is_figure": name == "main",
        "copies": {FORMATS[Path(file).suffix]: _within(results, file) for file in sorted(files, key=_format)},
    }


def _figure(section: Section, results: Path, name: str) -> dict[str, Any]:
    caption, path = section.figures[name]
    finding = TITLES[name](section) if name in TITLES else ""
    # A study's question stands above its only figure.
    plain = "" if name in section.studies else _words(name).capitalize()
    return {
        "id": f"{section.id}/figure/{name}",
        "title": finding or plain,
        "caption": caption,
        "link": _within(results, path),
        "source": _embedded(path),
        "chart": CHARTS[name](section) if name in CHARTS else None,
    }


def _words(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")


def _format(file: str) -> int:
    return list(FORMATS).index(Path(file).suffix)


def _within(results: Path, file: str) -> str:
    return Path(file).relative_to(results).as_posix()


def _computed_from(results: Path, files: Sequence[str]) -> list[str]:
    """The files within the results folder that files were made from, as their records say."""
    records = [record_in(results, file) for file in files]
    inputs = [within(path) for record in records if record for path in record["inputs"]]
    return sorted({path for path in inputs if path})


def _texts(sections: Sequence[Section], results: Path) -> dict[str, str]:
    """The text of every table's files, for copying."""
    files = [file for section in sections for table in section.tables.values() for file in table]
    return {_within(results, file): Path(file).read_text(encoding="utf-8") for file in files}


def _embedded(path: str) -> str:
    # As an image, not as markup, so that its content can neither run scripts nor interfere with the page.
    return "data:image/svg+xml;base64," + base64.b64encode(Path(path).read_bytes()).decode("ascii")


def _made(results: Path, sections: Sequence[Section]) -> dict[str, list[str]]:
    """What the records of all shown files and their inputs have in common, and where they differ."""
    shown = [files[0] for section in sections for files in section.tables.values()]
    shown += [path for section in sections for _, path in section.figures.values()]
    records = lineage(results, [_within(results, path) for path in shown])
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
