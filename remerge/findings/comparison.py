"""Comparison of our numbers with published ones: difference, interval, and caveats."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd
from tabulate import tabulate

from remerge.checkpoints.headers import split_tasks
from remerge.findings.tables import divider
from remerge.methods.registry import SHARED_AND_PARTS
from remerge.run.markup import MARKDOWN
from remerge.scoring.scores import accuracy, correlations, intervals
from remerge.tasks.clip import CLIP_TASKS, clip_task

DIFFERENT_IMAGES = "other images"
COLUMNS = ["method", "task", "correct", "n", "ours", "low", "high", "published", "difference", "agrees", "flags"]
OTHER_PARAMETERS = "no published number for these parameters"
OTHER_TASKS = "published for other tasks"
ALONE = ("pretrained", "individual")
"""Published methods whose accuracy on a task does not depend on the suite's other tasks."""


def compare(
    scores: pd.DataFrame,
    published: pd.DataFrame,
    methods: Sequence[str],
    tasks: Sequence[str],
    flags: Mapping[str, str],
    elsewhere: Mapping[str, str],
    names: Mapping[str, str],
    notes: Mapping[str, str],
    remarks: Mapping[str, str],
) -> pd.DataFrame:
    """Return one row per method and task that was both scored and published, and an average per method.

    A method whose algorithm was only published with different parameters, or for a suite of other tasks, has just the
    average, without a published number.

    Args:
        scores: Test scores of one suite.
        published: Numbers measured on the pool's checkpoints (:func:`remerge.findings.published.of_pool`).
        methods: Rows in order.
        tasks: The suite's tasks in order.
        flags: By task, problems of its splits according to the audit.
        elsewhere: By task, the origin whose zero-shot accuracy ours agrees with, if it is not the pool's origin.
        names: The published name of each method (:func:`remerge.methods.measured.published_as`).
        notes: Caveats of the comparison, by published name.
        remarks: What is odd about a task, by task.

    Returns:
        Columns ``method``, ``task``, ``correct``, ``n``, ``ours``, ``low``, ``high`` (95 % interval; percent),
        ``published``, ``difference`` (points), ``agrees`` (whether the published value, to its printed precision, lies
        in the interval) and ``flags``. Averages are over the tasks in both, and say how many these are.
    """
    theirs = _of_suite(published, tasks).rename(columns={"method": "published as"})
    ours = {"ours": accuracy(scores), **intervals(scores), "is_ranked": correlations(scores).notna()}
    known = scores.assign(**ours, **{"published as": scores["method"].map(names)})
    joined = known.merge(theirs, on=["published as", "task"])
    rows = []
    for method in methods:
        of_method = joined[joined["method"] == method].set_index("task")
        compared = [task for task in tasks if task in of_method.index]
        note = notes.get(names.get(method, ""), "")
        for task in compared:
            told = "; ".join(filter(None, [remarks.get(task, ""), note]))
            cell = _cell(of_method.loc[task], flags.get(task), elsewhere.get(task), told)
            rows.append({"method": method, "task": task, **cell})
        if compared:
            rows.append({"method": method, "task": f"average ({len(compared)}/{len(tasks)})", **_average(rows, method)})
        elif names.get(method) == "" or (published["method"] == names.get(method)).any():
            scored = scores[(scores["method"] == method) & scores["task"].isin(tasks)]
            average = {"ours": accuracy(scored).mean(), "flags": OTHER_TASKS if names[method] else OTHER_PARAMETERS}
            rows.append({"method": method, "task": f"average ({len(scored)}/{len(tasks)})", **average})
    return pd.DataFrame(rows, columns=COLUMNS)


def _of_suite(published: pd.DataFrame, tasks: Sequence[str]) -> pd.DataFrame:
    """The published numbers of single encoders, and of merges of exactly these tasks."""
    merged = published.groupby("method")["task"].transform(lambda measured: set(measured) == set(tasks))
    return published[published["method"].isin(ALONE) | merged.astype(bool)]


def _cell(row: pd.Series, flag: str | None, other: str | None, note: str) -> dict[str, object]:
    low, high, ours = row["low"], row["high"], row["ours"]
    is_exact = not pd.isna(row["exact"])
    value = row["exact"] if is_exact else row["accuracy"]
    # A printed number can be any value that rounds to it.
    below, above = {"truncated": (0.0, 0.1), "rounded": (0.05, 0.05), "unknown": (0.05, 0.1)}[row["decimals"]]
    told = [
        _part(str(row.name), int(row["n"])),
        "contaminated split" if flag else "",
        f"{DIFFERENT_IMAGES} (agrees with {other})" if other else "",
        "truncated decimals" if row["decimals"] == "truncated" and not is_exact else "",
        f"merged: {', '.join(split_tasks(row['merged']))}" if isinstance(row.get("merged"), str) else "",
        row["note"],
        note,
    ]
    return {
        "correct": None if row["is_ranked"] else int(row["correct"]),
        "n": int(row["n"]),
        "ours": ours,
        "low": low,
        "high": high,
        "published": value,
        "difference": ours - value,
        "agrees": low <= value + (0 if is_exact else above) and value - (0 if is_exact else below) <= high,
        "flags": "; ".join(part for part in told if part),
    }


def _part(task: str, n: int) -> str:
    """A note if we scored fewer test images than the published numbers."""
    whole = clip_task(task).test if task in CLIP_TASKS else n
    return f"{n} of {whole} test images" if n < whole else ""


def _average(rows: Sequence[Mapping[str, object]], method: str) -> dict[str, object]:
    of_method = pd.DataFrame([row for row in rows if row["method"] == method])
    return {name: of_method[name].mean() for name in ("ours", "published", "difference")}


def comparison_markdown(table: pd.DataFrame, labels: Mapping[str, str], parted: Collection[str] = ()) -> str:
    """Return the comparison in Markdown, with a row per method and task.

    Args:
        table: The result of :func:`compare`.
        labels: Display names of its methods.
        parted: The methods that keep parts for every task; they come last.
    """
    body = [
        [
            MARKDOWN.plain(labels[row.method]),
            MARKDOWN.plain(row.task),
            f"{row.ours:.1f}",
            "" if pd.isna(row.low) else f"{row.low:.1f} to {row.high:.1f}",
            "" if pd.isna(row.published) else f"{row.published:.1f}",
            "" if pd.isna(row.difference) else f"{row.difference:+.1f}",
            "" if pd.isna(row.agrees) else ("yes" if row.agrees else "**no**"),
            "" if pd.isna(row.flags) else MARKDOWN.plain(row.flags),
        ]
        for row in table.itertuples()
    ]
    if last := int(table["method"].isin(parted).sum()):
        body.insert(len(body) - last, divider(SHARED_AND_PARTS, len(body[0])))
    headers = ["Method", "Task", "Ours", "95 % interval", "Published", "Difference", "Agrees", "Flags"]
    note = (
        "Accuracy in percent; intervals, of the sampling of test images or texts alone, are Wilson's, and Fisher's for "
        "rank correlations. Agrees: the published value lies in the interval. Only numbers measured on the same family "
        "of checkpoints, by the same algorithm with the same parameters and, for merges, of the same tasks, are "
        "compared; sources: published/sources.csv, parameters: published/methods.yaml."
    )
    return tabulate(body, headers, tablefmt="github", disable_numparse=True) + f"\n\n{note}\n"
