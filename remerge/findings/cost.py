"""The cost of every method (time, memory, storage and data), from files written by the workflow's jobs."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from tabulate import tabulate

from remerge.findings.tables import number
from remerge.merging.assemblies import MergedFiles
from remerge.run.markup import MARKDOWN
from remerge.scoring.held_out import notes_on

HEADERS = [
    *("Method", "Seconds", "Memory (MB)", "Shared (MB)", "Per task (MB)", "More per image (%)", "Task's name"),
    "Looks at",
]
NOTE = (
    "Seconds: wall time of the jobs that make the encoder, start-up included, other jobs running beside them; "
    "decompositions that several methods share count for each. Memory: resident, memory-mapped files included. "
    "Shared, per task: what is stored for all tasks together and for each task besides. More per image: the multiply-"
    "adds of adapters, of routing and of mixing weights for every image, in percent of the encoder's own, counted "
    "from the shapes of matrices; weights that differ between tasks are made once for all images of a task. Task's "
    "name: whether the encoder, and not only the zero-shot head, depends on the name of the image's task. Task "
    "vectors and experts, which all merging needs, are not counted."
)


def cost_table(
    methods: Mapping[str, Mapping[str, Any]],
    jobs: Iterable[tuple[str, str | Path]],
    results: Mapping[str, str | Path],
) -> pd.DataFrame:
    """Return one row per method that makes an encoder.

    Args:
        methods: By id, ``label`` and ``uses``.
        jobs: Snakemake's benchmark files of the jobs that make encoders, each with its method's id. For a job that was
            interrupted and resumed, Snakemake only measures the last run; include the file that
            :func:`remerge.run.resume.write_earlier` wrote for the earlier runs.
        results: The merged results' shared files, by method.

    Returns:
        Columns ``method``, ``seconds`` (total wall time of its jobs, including start-up), ``memory`` (peak resident
        megabytes of the largest job, including memory-mapped files), ``shared`` and ``per_task`` (megabytes stored for
        all tasks together, and on average for each task in addition), ``more_per_image`` (percent; see
        :class:`remerge.merging.assemblies.MergedFiles`), ``task_name`` (``needed`` if the encoder depends on the name
        of the image's task), ``uses``.

    Raises:
        RemergeError: See :class:`remerge.merging.assemblies.MergedFiles`.
    """
    files = {name: MergedFiles(path) for name, path in results.items()}
    found: dict[str, list[tuple[float, float]]] = {}
    for method, path in jobs:
        row = pd.read_csv(path, sep="\t").iloc[0]
        # Snakemake records no memory for very short jobs.
        found.setdefault(method, []).append((float(row["s"]), float(pd.to_numeric(row["max_rss"], errors="coerce"))))
    rows = [
        {
            "method": method["label"],
            "seconds": sum(seconds for seconds, _ in found[name]),
            "memory": max((memory for _, memory in found[name] if memory == memory), default=None),
            "shared": files[name].shared_bytes / 1e6,
            "per_task": sum(files[name].part_bytes.values()) / 1e6 / max(len(files[name].parts), 1),
            "more_per_image": files[name].more_per_image,
            "task_name": "needed" if files[name].assembly.needs_task_name else None,
            "uses": ", ".join(method["uses"]),
        }
        for name, method in methods.items()
        if name in found
    ]
    return pd.DataFrame(rows)


def cost_table_markdown(table: pd.DataFrame) -> str:
    """Return the result of :func:`cost_table` in Markdown."""
    numbers = table["more_per_image"].map(number)
    shown = table.assign(method=table["method"].map(MARKDOWN.plain), more_per_image=numbers)
    shown = shown.astype({"task_name": object}).fillna("–")
    formats = ("", ".1f", ".1f", ".1f", ".2f", "", "", "")
    text = tabulate(shown, HEADERS, tablefmt="github", floatfmt=formats, showindex=False, disable_numparse=[0, 5])
    return f"{text}\n\n{' '.join([NOTE, *notes_on(table['uses'])])}\n"
