"""How many threads a job may use, and that those with nothing to do leave the processor to others."""

import math
import os
from collections.abc import MutableMapping
from pathlib import Path

# Threads that wait for each other spin, on time that others could use. GNU's, LLVM's and Intel's OpenMP read these,
# once, when torch is imported; jobs inherit them.
YIELDING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


def let_threads_yield(environment: MutableMapping[str, str]) -> None:
    """Make threads of processes started from now on sleep while they wait, unless ``environment`` says otherwise."""
    for name, value in YIELDING.items():
        environment.setdefault(name, value)


def most_threads(root: Path = Path("/")) -> int:
    """Return on how many processors this process may run: its affinity, its control group's limit, SLURM's grant.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    limits = [len(affinity(0)) if affinity else os.cpu_count() or 1]
    limits += [max(1, math.ceil(limit)) for limit in _quotas(root)]
    if (granted := os.environ.get("SLURM_CPUS_PER_TASK", "")).isdecimal():
        limits.append(max(1, int(granted)))
    return min(limits)


def keep_to_limit() -> int:
    """Let torch use no more threads than it was given and may run, and return how many."""
    import torch

    threads = min(torch.get_num_threads(), most_threads())
    torch.set_num_threads(threads)
    return threads


def _quotas(root: Path) -> list[float]:
    """Processors that control groups (version 2) allow, from this process's group up to the root."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    top = root / "sys/fs/cgroup"
    quotas = []
    for own in (top / line.removeprefix("0::/") for line in lines if line.startswith("0::/")):
        for group in (own, *own.parents):
            if not group.is_relative_to(top):
                break
            try:
                quota, period = (group / "cpu.max").read_text().split()
            except OSError:
                continue
            if quota != "max":
                quotas.append(int(quota) / int(period))
    return quotas
