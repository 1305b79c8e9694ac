"""What every method took: time, memory, storage and data, from the files that the workflow's jobs left."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from remerge.files import atomic_path

STAGES = ("expert_statistics", "learn_coefficients", "sweep", "merge_task_vectors", "merge_by_statistics", "merge")
"""Rules whose jobs make a method's encoder."""


def write_earlier(path: str | Path, seconds: float) -> None:
    """Write, as Snakemake's benchmark files are, how long a job had worked before the run that finished it."""
    with atomic_path(path) as temporary:
        temporary.write_text(f"s\tmax_rss\n{seconds:.4f}\t-\n", encoding="ascii")


def cost_table(
    methods: Mapping[str, Mapping[str, Any]], jobs: Sequence[str | Path], encoders: Sequence[str | Path]
) -> pd.DataFrame:
    """Return one row per method that makes an encoder.

    Args:
        methods: By id, ``label`` and ``uses``.
        jobs: Snakemake's benchmark files ``.../{rule}/{suite}/{method}.tsv``; sweeps and statistics
            have a folder per method. Of a job that was cut off and went on, Snakemake measures the last run alone:
            what :func:`write_earlier` wrote belongs here too.
        encoders: The merged encoders, ``.../{method}.safetensors``.

    Returns:
        Columns ``method``, ``seconds`` (wall time of its jobs together, start-up included), ``memory`` (megabytes
        resident of the largest, memory-mapped files included), ``storage`` (megabytes of the encoder), ``uses``.
    """
    sizes = {Path(path).stem: Path(path).stat().st_size / 1e6 for path in encoders}
    found: dict[str, list[tuple[float, float]]] = {}
    for path in map(Path, jobs):
        stage = next(stage for stage in path.parts if stage in STAGES)
        method = path.parent.name if stage in ("sweep", "expert_statistics") else path.stem
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
