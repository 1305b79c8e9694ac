"""Limits on a job's threads, and idle threads that sleep instead of spinning."""

import math
import os
import sys
from collections.abc import Iterator, MutableMapping
from pathlib import Path

# By default, threads that wait for each other spin and waste processor time. GNU's, LLVM's and Intel's OpenMP read
# these variables once, when torch is imported; jobs inherit them.
YIELDING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}

LIMITS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "ARROW_IO_THREADS",
    "RAYON_NUM_THREADS",
    "TOKIO_WORKER_THREADS",
)
"""Variables that libraries read when they are loaded: all kinds of OpenMP and BLAS, numexpr, Arrow, and Rust's."""


def let_threads_yield(environment: MutableMapping[str, str]) -> None:
    """Make waiting threads of processes started from now on sleep, unless ``environment`` says otherwise."""
    for name, value in YIELDING.items():
        environment.setdefault(name, value)


def most_threads(root: Path = Path("/")) -> int:
    """Return how many processors this process may use: its affinity, its control group's limit, SLURM's allocation.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    limits = [len(affinity(0)) if affinity else os.cpu_count() or 1]
    limits += [max(1, math.ceil(limit)) for limit in _quotas(root)]
    if (granted := os.environ.get("SLURM_CPUS_PER_TASK", "")).isdecimal():
        limits.append(max(1, int(granted)))
    return min(limits)


def granted(asked: int) -> int:
    """Return how many threads a job gets: as many as it asks for, but no more than it has processors."""
    return max(1, min(asked, most_threads()))


def keep_to(asked: int) -> int:
    """Limit the threads of all libraries in this process to what a job asked for and may run; return the limit.

    Libraries that are already loaded are set; those loaded later, and child processes, read the environment. A lower
    limit that was set before remains.

    Args:
        asked: The ``threads`` of the job's rule.
    """
    # The Snakefile only needs the other functions.
    from threadpoolctl import ThreadpoolController

    threads = granted(asked)
    for name in LIMITS:
        before = os.environ.get(name, "")
        os.environ[name] = before if before.isdecimal() and 0 < int(before) < threads else str(threads)
    for library in ThreadpoolController().lib_controllers:
        if (library.num_threads or 1) > threads:
            library.set_num_threads(threads)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(min(torch.get_num_threads(), threads))
    if arrow := sys.modules.get("pyarrow"):
        arrow.set_cpu_count(min(arrow.cpu_count(), threads))
        arrow.set_io_thread_count(min(arrow.io_thread_count(), threads))
    return threads


def _quotas(root: Path) -> Iterator[float]:
    """Processor limits of control groups, from this process's group up to the root."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        # Version 2 has a single tree; version 1 has one per set of controllers, named after them.
        if not controllers:
            yield from _limits(root / "sys/fs/cgroup", path)
        elif "cpu" in controllers.split(","):
            yield from _limits(root / "sys/fs/cgroup" / controllers, path)


def _limits(top: Path, path: str) -> Iterator[float]:
    innermost = top / path.removeprefix("/")
    for group in (innermost, *innermost.parents):
        if not group.is_relative_to(top):
            break
        try:
            if (group / "cpu.max").exists():
                quota, period = (group / "cpu.max").read_text().split()
            else:
                quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        except OSError:
            continue
        if quota != "max" and int(quota) > 0:
            yield int(quota) / int(period)
