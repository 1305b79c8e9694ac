"""What every method took: time, memory, storage and data, from the files that the workflow's jobs left."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from remerge.run.atomic import atomic_path


def write_earlier(path: str | Path, seconds: float) -> None:
    """Write, as Snakemake's benchmark files are, how long a job had worked before the run that finished it."""
    with atomic_path(path) as temporary:
        temporary.write_text(f"s\tmax_rss\n{seconds:.4f}\t-\n", encoding="ascii")


def cost_table(
    methods: Mapping[str, Mapping[str, Any]],
    jobs: Iterable[tuple[str, str | Path]],
    encoders: Mapping[str, str | Path],
) -> pd.DataFrame:
    """Return one row per method that makes an encoder.

    Args:
        methods: By id, ``label`` and ``uses``.
        jobs: Snakemake's benchmark files of the jobs that make encoders, each with its method's id. Of a job that was
            cut off and went on, Snakemake measures the last run alone: include what :func:`write_earlier` wrote.
        encoders: The merged encoders, by method.

    Returns:
        Columns ``method``, ``seconds`` (wall time of its jobs together, start-up included), ``memory`` (megabytes
        resident of the largest, memory-mapped files included), ``storage`` (megabytes of the encoder), ``uses``.
    """
    sizes = {name: Path(path).stat().st_size / 1e6 for name, path in encoders.items()}
    found: dict[str, list[tuple[float, float]]] = {}
    for method, path in jobs:
        row = pd.read_csv(path, sep="\t").iloc[0]
        # Of jobs too short to be looked at Snakemake notes no memory.
        found.setdefault(method, []).append((float(row["s"]), float(pd.to_numeric(row["max_rss"], errors="coerce"))))
    rows = [
        {
            "method": method["label"],
            "seconds": sum(seconds for seconds, _ in found[name]),
            "memory": max((memory for _, memory in found[name] if memory == memory), default=None),
            "storage": sizes.get(name),
            "uses": ", ".join(method["uses"]),
        }
        for name, method in methods.items()
        if name in found
    ]
    return pd.DataFrame(rows)
