"""Tables as in the papers, with the evidence for each number, from score files alone."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from remerge.figures.few import FEW_TASKS
from remerge.methods.registry import ALGORITHMS, BLOCKS, MERGING, ONE_ENCODER, SHARED_AND_PARTS, WITH_PARTS, block_of
from remerge.run.atomic import atomic_path
from remerge.run.markup import LATEX, MARKDOWN, Markup
from remerge.scoring.coverage import absence, count_merged
from remerge.scoring.held_out import notes_on
from remerge.scoring.scores import accuracy, average_accuracy, correlations, intervals, merged_tasks, needs_task_name

PARTS_NOTE = (
    "Parts per task: methods that store more than one encoder and make another of it for every task or image; cost.md "
    "says how much. Compare them with each other only. Task's name: needed to choose the part."
)
# In LaTeX: a number, whether or not it is bold or underlined, and what stands for none.
_NUMBER = re.compile(r"(\\\w+\{)?[+-]?\d")
_DASHES = ("–", "--", "")
VALID_NOTE = "Valid: answers that have the form of the task's, right or wrong, in percent."
EXPERTS_NOTE = "Rows: experts; columns: tasks they are scored on; accuracy in percent; own task bold."


@dataclass(frozen=True)
class Row:
    """What a table says about a method in addition to its scores.

    Attributes:
        label: The display name.
        algorithm: The algorithm's name in the registry.
        uses: The data it used in addition to the checkpoints.
    """

    label: str
    algorithm: str
    uses: Sequence[str] = ()

    @property
    def competes(self) -> bool:
        """Whether it merges, and so can be marked as best of its block."""
        return ALGORITHMS[self.algorithm].kind in (*MERGING, *WITH_PARTS)

    @property
    def block(self) -> str:
        """The block of methods that it is shown in and compared with."""
        return block_of(self.algorithm)


def what_is_read(scores: pd.DataFrame) -> str:
    """Return whether scores, or a main table of them, are on ``images`` or ``texts``."""
    return "texts" if "valid" in scores else "images"


def in_blocks(methods: Mapping[str, Row]) -> dict[str, Row]:
    """Return methods block by block, in order within each."""
    return {name: row for block in BLOCKS for name, row in methods.items() if row.block == block}


def main_table(scores: pd.DataFrame, methods: Mapping[str, Row], tasks: Sequence[str]) -> pd.DataFrame:
    """Return one row per method: accuracy on every task, average, and normalised average.

    The normalised average is the mean over tasks of accuracy divided by the expert's (TIES-Merging, section 5);
    tasks whose expert has accuracy 0 are skipped. Tasks that were not scored are left out of a method's average, and
    ``tasks`` says how many it is over.

    Args:
        scores: Test scores of all methods of one suite.
        methods: Rows in order; the table has them block by block.
        tasks: Columns in order.

    Returns:
        Columns ``method``, ``uses``; if there are methods with parts, ``block``, and if an encoder depends on the name
        of the image's task, ``task_name``, which is then ``needed``; per task ``{task}``
        (percent), ``{task} correct``, ``{task} n``, ``{task} low`` and ``{task} high`` (95 % interval, percent; see
        :func:`remerge.scoring.scores.intervals`), where ``correct`` is missing if answers are ranked;
        ``average``, ``half_width`` (of the average's 95 % interval, points), ``normalised`` (percent) and ``tasks``;
        on texts, also ``valid``, the average share of answers that have the form of the task's (percent);
        if scoring was in bfloat16, also ``compared`` and ``agree`` (see
        :func:`remerge.scoring.evaluation.score_encoder`); if an encoder merges, or was trained on, only some of the
        tasks, also ``merged``, such as ``a+b``. Unscored cells are missing.
    """
    experts = _by_task(scores, [name for name, row in methods.items() if row.algorithm == "individual"])
    rows = []
    has_parts = any(method.block == SHARED_AND_PARTS for method in methods.values())
    for name, method in in_blocks(methods).items():
        own = scores[(scores["method"] == name) & scores["task"].isin(tasks)]
        row: dict[str, object] = {"method": method.label, "uses": ", ".join(method.uses)}
        if has_parts:
            row["block"] = method.block
        if needs_task_name(own):
            row["task_name"] = "needed"
        for task in tasks:
            row |= _cells(task, own[own["task"] == task])
        if "valid" in own:
            row["valid"] = (100 * own["valid"] / own["n"]).mean()
        if "compared" in own:
            row |= {"compared": own["compared"].sum(), "agree": own["agree"].sum()}
        if merged := merged_tasks(own):
            row["merged"] = merged
        if not own.empty:
            average = average_accuracy(own, ["method"]).iloc[0]
            row |= {
                "average": average["average"],
                "half_width": average["half_width"],
                "tasks": average["tasks"],
            }
            relative = [
                100 * value / experts[task] for task, value in _by_task(own, [name]).items() if experts.get(task)
            ]
            row["normalised"] = sum(relative) / len(relative) if relative else None
        rows.append(row)
    return pd.DataFrame(rows)


def _by_task(scores: pd.DataFrame, methods: Sequence[str]) -> dict[str, float]:
    chosen = scores[scores["method"].isin(methods)]
    return dict(zip(chosen["task"], accuracy(chosen), strict=True))


def _cells(task: str, scores: pd.DataFrame) -> dict[str, object]:
    if scores.empty:
        return {task: None}
    ranked = correlations(scores).notna().iloc[0]
    return {
        task: accuracy(scores).iloc[0],
        f"{task} correct": None if ranked else int(scores["correct"].iloc[0]),
        f"{task} n": int(scores["n"].iloc[0]),
        f"{task} low": intervals(scores)["low"].iloc[0],
        f"{task} high": intervals(scores)["high"].iloc[0],
    }


def experts_table(scores: pd.DataFrame, tasks: Sequence[str]) -> pd.DataFrame:
    """Return the accuracy (percent) of each expert (rows) on each task (columns)."""
    percent = scores.assign(accuracy=accuracy(scores))
    matrix = percent.pivot(index="expert", columns="task", values="accuracy")
    return (
        matrix.reindex(index=list(tasks), columns=list(tasks)).rename_axis(index="expert", columns=None).reset_index()
    )


def write_csv(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table with two decimals."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.2f", lineterminator="\n")


def write_text(path: str | Path, text: str) -> None:
    """Write a table that is already laid out."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def main_table_markdown(
    table: pd.DataFrame,
    methods: Mapping[str, Row],
    origins: Mapping[str, str],
    flags: Mapping[str, str],
    remarks: Mapping[str, str] | None = None,
) -> str:
    """Return the main table in Markdown, with one decimal, the best merged encoder bold, and the second underlined.

    Each block of methods has its own best. With more than eight tasks, what sums them up comes first.

    Args:
        table: The result of :func:`main_table`.
        methods: The methods in its rows.
        origins: By task, whether its images are rendered or real.
        flags: By task, what is wrong with its splits (:func:`remerge.images.audit.contaminated`).
        remarks: By task, what else is odd about it.
    """
    headers, blocks = _main_layout(table, methods, list(origins), MARKDOWN)
    body = blocks.pop(ONE_ENCODER, [])
    for title, rows in blocks.items():
        body += [divider(title, len(headers)), *rows]
    notes = " ".join(_notes(table, methods, origins, flags, remarks or {}))
    return tabulate(body, headers, tablefmt="github", disable_numparse=True) + f"\n\n{MARKDOWN.plain(notes)}\n"


def main_table_latex(
    table: pd.DataFrame,
    methods: Mapping[str, Row],
    origins: Mapping[str, str],
    flags: Mapping[str, str],
    remarks: Mapping[str, str] | None = None,
) -> str:
    """Return the main table in LaTeX (package booktabs), with the same marks as in Markdown.

    With more than eight tasks, these are a second table, and both are as wide as the text at most (package graphicx).
    """
    headers, blocks = _main_layout(table, methods, list(origins), LATEX)
    note = LATEX.plain(" ".join(_notes(table, methods, origins, flags, remarks or {})))
    if len(origins) <= FEW_TASKS:
        return latex_table(headers, blocks, note)
    first = 1 + list(_columns(list(origins))).index(next(iter(origins)))
    last = first + len(origins)
    summary = {title: [[*row[:first], *row[last:]] for row in rows] for title, rows in blocks.items()}
    by_task = {title: [[row[0], *row[first:last]] for row in rows] for title, rows in blocks.items()}
    whole = fitted_latex_table([*headers[:first], *headers[last:]], summary, note)
    return f"{whole}\n\\par\\medskip\n{fitted_latex_table(['Method', *headers[first:last]], by_task)}"


def experts_table_markdown(
    table: pd.DataFrame, flags: Mapping[str, str], remarks: Mapping[str, str] | None = None
) -> str:
    """Return the expert-by-task table in Markdown, with each expert's task in bold."""
    headers, body = _experts_layout(table, MARKDOWN)
    note = MARKDOWN.plain(" ".join(_experts_notes(table, flags, remarks or {})))
    return tabulate(body, headers, tablefmt="github", disable_numparse=True) + f"\n\n{note}\n"


def experts_table_latex(table: pd.DataFrame, flags: Mapping[str, str], remarks: Mapping[str, str] | None = None) -> str:
    """Return the expert-by-task table in LaTeX (package booktabs)."""
    headers, body = _experts_layout(table, LATEX)
    note = LATEX.plain(" ".join(_experts_notes(table, flags, remarks or {})))
    if len(body) <= FEW_TASKS:
        return latex_table(headers, {"": body}, note)
    return fitted_latex_table(headers, {"": body}, note)


def divider(block: str, columns: int) -> list[str]:
    """Return the cells of the row above a block of a table in Markdown."""
    return [f"*{block.capitalize()}*", *[""] * (columns - 1)]


def _experts_notes(table: pd.DataFrame, flags: Mapping[str, str], remarks: Mapping[str, str]) -> list[str]:
    tasks = list(table["expert"])
    cells = table.set_index("expert")
    absent = [
        f"{len(found)}/{len(tasks)} {kind}; without: {', '.join(task for task in tasks if task not in found)}."
        for kind, found in (
            ("tasks have test images", [task for task in tasks if cells[task].notna().any()]),
            ("tasks have an expert", [task for task in tasks if cells.loc[task].notna().any()]),
        )
        if len(found) < len(tasks)
    ]
    return [EXPERTS_NOTE, *absent, *_contaminated(flags, tasks), *_remarks(remarks)]


def _experts_layout(table: pd.DataFrame, markup: Markup) -> tuple[list[str], list[list[str]]]:
    tasks = [column for column in table if column != "expert"]
    body = []
    for _, row in table.iterrows():
        cells = [number(row[task]) for task in tasks]
        own = tasks.index(row["expert"])
        if cells[own] != "–":
            cells[own] = markup.best.format(cells[own])
        body.append([markup.plain(str(row["expert"])), *cells])
    return ["Expert", *map(markup.plain, tasks)], body


def _main_layout(
    table: pd.DataFrame, methods: Mapping[str, Row], tasks: list[str], markup: Markup
) -> tuple[list[str], dict[str, list[list[str]]]]:
    """Headers, and the printed rows of every block."""
    columns = _columns(tasks)
    if len(tasks) > FEW_TASKS:
        accuracies = table[tasks].astype(float)
        table = table.assign(worst=accuracies.min(axis=1), spread=accuracies.std(axis=1, ddof=0))
    rows = list(in_blocks(methods).values())
    names = list(table["task_name"].fillna("–")) if "task_name" in table else []
    valid = list(map(number, table["valid"])) if "valid" in table else []
    body = [
        [
            markup.plain(str(row["method"])),
            *(number(row[column]) for column in columns),
            *valid[index : index + 1],
            *names[index : index + 1],
            markup.plain(row["uses"] or "–"),
        ]
        for index, (_, row) in enumerate(table.iterrows())
    ]
    blocks = {block: [index for index, row in enumerate(rows) if row.block == block] for block in BLOCKS}
    places = [place for place, column in enumerate(columns, start=1) if column != "spread"]
    competes = [row.competes for row in rows]
    average = 1 + list(columns).index("average")
    mark_blocks(body, table, list(blocks.values()), competes, places, average, len(tasks), markup)
    more = [*["Valid"][: len(valid)], *["Task's name"][: len(names)]]
    headers = ["Method", *map(markup.plain, columns.values()), *more, "Looks at"]
    return headers, {block: [body[index] for index in indices] for block, indices in blocks.items() if indices}


def _columns(tasks: Sequence[str]) -> dict[str, str]:
    """The header of every column of numbers, in order; the eye finds what sums up many tasks only before them."""
    own = {task: task for task in tasks}
    if len(tasks) <= FEW_TASKS:
        return own | {"average": "Average", "normalised": "Normalised"}
    summary = {"average": "Average", "worst": "Worst task", "spread": "Spread", "normalised": "Normalised"}
    return summary | own


def mark_blocks(
    body: Sequence[list[str]],
    table: pd.DataFrame,
    blocks: Sequence[Sequence[int]],
    competes: Sequence[bool],
    places: Sequence[int],
    average: int,
    tasks: int,
    markup: Markup,
) -> None:
    """Mark the best and second best of every block in printed rows, and say which rows are of fewer tasks.

    Args:
        body: The printed rows, label first; they are changed.
        table: The same rows, with ``tasks`` and perhaps ``merged`` as in :func:`main_table`.
        blocks: The indices of the rows of each block.
        competes: Whether each row can be marked.
        places: Where rows have numbers to be marked.
        average: Where they have the average.
        tasks: The number of the suite's tasks.
        markup: The markup.
    """
    merged = _merged(table, tasks)
    for indices in blocks:
        # An encoder that merges fewer tasks has an advantage on those.
        most = max((merged[index] for index in indices if competes[index]), default=0)
        best = [body[index] for index in indices if competes[index] and merged[index] == most]
        for place in places:
            _mark(best, place, markup)
    for row, count, averaged in zip(body, merged, table["tasks"].fillna(0), strict=True):
        if count < tasks:
            row[0] += f" ({count}/{tasks} tasks)"
        if averaged < tasks:
            row[average] += f" ({int(averaged)}/{tasks})"


def _merged(table: pd.DataFrame, tasks: int) -> list[int]:
    """The number of tasks that each row merges."""
    named = table["merged"] if "merged" in table else [None] * len(table)
    return [count_merged(text, tasks) for text in named]


def _mark(rows: Sequence[list[str]], place: int, markup: Markup) -> None:
    """Mark the best and second best of the numbers printed at a place of some rows; equal numbers share a mark."""
    ranks = sorted({float(row[place]) for row in rows if row[place] != "–"}, reverse=True)
    marks = dict(zip(ranks[:2], (markup.best, markup.second), strict=False))
    for row in rows:
        if row[place] != "–":
            row[place] = marks.get(float(row[place]), "{}").format(row[place])


def number(value: float | None, decimals: int = 1) -> str:
    """Return a number as tables print it; a dash if there is none."""
    return "–" if value is None or pd.isna(value) else f"{value:.{decimals}f}"


def _contaminated(flags: Mapping[str, str], tasks: Iterable[str]) -> list[str]:
    known = set(tasks)
    return [f"Contaminated split: {task}, {told}." for task, told in flags.items() if task in known]


def _remarks(remarks: Mapping[str, str]) -> list[str]:
    tasks: dict[str, list[str]] = {}
    for task, remark in remarks.items():
        tasks.setdefault(remark, []).append(task)
    return [f"{', '.join(alike)}: {remark}." for remark, alike in tasks.items()]


def _notes(
    table: pd.DataFrame,
    methods: Mapping[str, Row],
    origins: Mapping[str, str],
    flags: Mapping[str, str],
    remarks: Mapping[str, str],
) -> list[str]:
    """The notes below the main table."""
    counts = {task: table.get(f"{task} n", pd.Series(dtype=float)).max() for task in origins}
    sizes = ", ".join(f"{task} {int(n)}" for task, n in counts.items() if not pd.isna(n))
    kinds = "; ".join(
        f"{origin}: {', '.join(task for task, own in origins.items() if own == origin)}"
        for origin in dict.fromkeys(origins.values())
    )
    reads, blocks = what_is_read(table), "of each block " if _has_parts(table) else ""
    return [
        f"Accuracy in percent on test {reads}; best merged encoder {blocks}bold, second underlined.",
        f"Normalised: mean over tasks of accuracy divided by the expert's. Test {reads}: {sizes}.",
        f"95 % intervals of the averages: at most ± {table['half_width'].max():.1f} points "
        f"(sampling of test {reads} only).",
        *([VALID_NOTE] if "valid" in table else []),
        *(["Spread: standard deviation over tasks."] if len(origins) > FEW_TASKS else []),
        f"{reads.capitalize()} {kinds}.",
        *([PARTS_NOTE] if _has_parts(table) else []),
        *notes_on_tasks(table, list(origins)),
        *_contaminated(flags, origins),
        *_remarks(remarks),
        *_above_experts(table, methods, list(origins)),
        *notes_on(table["uses"]),
        *_precision(table),
    ]


def _above_experts(table: pd.DataFrame, methods: Mapping[str, Row], tasks: Sequence[str]) -> list[str]:
    """A note on tasks that fine-tuning made no better."""
    rows = table.set_index("method")
    labels = {row.algorithm: row.label for row in methods.values() if row.label in rows.index}
    if not {"pretrained", "individual"} <= labels.keys():
        return []
    zero_shot, experts = rows.loc[labels["pretrained"]], rows.loc[labels["individual"]]
    above = [task for task in tasks if zero_shot[task] is not None and zero_shot[task] > (experts[task] or 0)]
    return [f"Zero-shot accuracy is above the expert's: {', '.join(above)}."] if above else []


def _has_parts(table: pd.DataFrame) -> bool:
    return "block" in table and bool((table["block"] == SHARED_AND_PARTS).any())


def notes_on_tasks(table: pd.DataFrame, tasks: Sequence[str]) -> list[str]:
    """Return notes on what missing images and experts of tasks mean for a main table."""
    scored = [task for task in tasks if f"{task} n" in table and table[f"{task} n"].notna().any()]
    told = []
    if sentence := absence(scored, tasks):
        merged = "Their task vectors, where there are any, are merged; AdaMerging's coefficients for them do not move."
        told = [f"{sentence} {merged}"]
    counts = _merged(table, len(tasks))
    if fewer := [str(label) for label, count in zip(table["method"], counts, strict=True) if count < len(tasks)]:
        told.append(
            f"Merged from, or trained on, fewer tasks, for want of an expert, or of images to collect statistics from: "
            f"{', '.join(fewer)}; compare them with each other only."
        )
    return told


def _precision(table: pd.DataFrame) -> list[str]:
    """A note on what the lower precision changed."""
    if "compared" not in table or not table["compared"].sum():
        return []
    compared, agree = int(table["compared"].sum()), int(table["agree"].sum())
    return [f"Scored in bfloat16: on {agree} of the {compared} images compared, float32 predicts the same."]


def latex_table(headers: Sequence[str], blocks: Mapping[str, Sequence[Sequence[str]]], note: str = "") -> str:
    """Return a table in LaTeX (package booktabs), with text aligned left and numbers right.

    Args:
        headers: Names of columns, escaped.
        blocks: Cells by row, escaped, of each block by its title; the first block has none.
        note: The note below, escaped.
    """
    first, *others = blocks.items()
    lines = [
        "% needs \\usepackage{booktabs}",
        rf"\begin{{tabular}}{{{_alignment(headers, [row for rows in blocks.values() for row in rows])}}}",
        r"\toprule",
        " & ".join(headers) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in first[1]),
    ]
    for title, rows in others:
        lines += [r"\midrule", rf"\multicolumn{{{len(headers)}}}{{l}}{{\emph{{{title.capitalize()}}}}} \\", r"\midrule"]
        lines += [" & ".join(row) + r" \\" for row in rows]
    lines += [r"\bottomrule", r"\end{tabular}", *([_below(note)] if note else [])]
    return "\n".join(lines) + "\n"


def _alignment(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """``l`` or ``r`` for each column; the first names the rows, and a dash stands for a missing number."""
    columns = [[row[index] for row in rows] for index in range(1, len(headers))]
    numeric = [all(cell in _DASHES or _NUMBER.match(cell) for cell in column) for column in columns]
    return "l" + "".join("r" if each else "l" for each in numeric)


def fitted_latex_table(headers: Sequence[str], blocks: Mapping[str, Sequence[Sequence[str]]], note: str = "") -> str:
    """Return a table in LaTeX (also package graphicx) with upright headers, shrunk if it is wider than the text.

    Arguments are those of :func:`latex_table`.
    """
    first, *others = headers
    upright = [header if header == "Looks at" else rf"\rotatebox{{90}}{{{header}}}" for header in others]
    table = latex_table([first, *upright], blocks)
    width = r"\ifdim\width>\textwidth\textwidth\else\width\fi"
    below = f"{_below(note)}\n" if note else ""
    return f"% needs \\usepackage{{graphicx}}\n\\resizebox{{{width}}}{{!}}{{%\n{table}}}\n{below}"


def _below(note: str) -> str:
    return rf"\par\smallskip\footnotesize {note}"
