"""Checks of the machine: Python, packages, memory, conda."""

import shutil
import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remerge.doctor.check import INSTALL, Check

if TYPE_CHECKING:
    from remerge.config.models import Config, Pool

# A cgroup without a limit says "max", or in version 1 a number beyond any machine's memory.
CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def packages(project: Path) -> Check:
    """Check that all packages are installed that a project's ``pyproject.toml`` requires for the workflow."""
    from packaging.requirements import Requirement

    described = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    asked = [*described["dependencies"], *described["optional-dependencies"]["workflow"]]
    python = ".".join(map(str, sys.version_info[:3]))
    faults = []
    for line in asked:
        requirement = Requirement(line)
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            faults.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            faults.append(f"{requirement.name} {installed} is not {requirement.specifier}")
    if faults:
        return Check("packages", "will fail", "; ".join(faults), INSTALL)
    return Check("packages", "fine", f"Python {python} and all {len(asked)} packages")


def memory(config: "Config", needs: Mapping[str, Any], limit: int | None = None) -> Check:
    """Check that there is enough memory for the largest job.

    Args:
        config: The configuration.
        needs: The resources of jobs, as in ``workflow/resources.yaml``.
        limit: Available bytes; by default this machine's.
    """
    from remerge.plan.resources import Resources

    there = (memory_limit() if limit is None else limit) / 1e6
    resources = Resources(config, needs)
    wanted, work, architecture = max(
        (resources.memory(work, 1, name, suite), work, pool.architecture)
        for name, pool in config.pools.items()
        for suite in config.suites
        for work in needs
        if _is_done(work, config, pool)
    )
    message = f"{there / 1e3:.1f} GB; the largest job ({work}, {architecture}) asks for {wanted / 1e3:.1f} GB"
    if there <= 0:
        return Check("memory", "cannot tell", "this system does not say how much memory it has")
    if there >= wanted:
        return Check("memory", "fine", message)
    # Jobs request about twice what was measured.
    if there >= wanted / 2:
        return Check("memory", "cannot tell", f"{message}, about twice what it needs", "free memory before the run")
    return Check("memory", "will fail", message, "use a machine with more memory, or a smaller architecture")


def _is_done(work: str, config: "Config", pool: "Pool") -> bool:
    if work == "train":
        return pool.is_trained
    if work == "convert":
        return pool.reads == "images" or pool.is_downloaded
    if work == "heads":
        return pool.reads == "images"
    if work == "adapt":
        return any(method.learns for method in config.methods.values())
    return True


def memory_limit() -> int:
    """Return the bytes of memory that this process may have, or 0 if the system does not say."""
    limits = []
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        total = next(line for line in meminfo.read_text(encoding="utf-8").splitlines() if line.startswith("MemTotal:"))
        limits.append(1024 * int(total.split()[1]))
    for path in map(Path, CGROUP_LIMITS):
        if path.exists() and (limit := path.read_text(encoding="utf-8").strip()).isdigit():
            limits.append(int(limit))
    return min(limits, default=0)


def conda(programs: Iterable[str] = ("conda", "mamba")) -> Check:
    """Check for conda, which only ``--use-conda`` needs."""
    installed = [program for program in programs if shutil.which(program)]
    return Check("conda", "fine", installed[0] if installed else "not installed; only --use-conda needs it")


def folders(config: "Config") -> list[Check]:
    """Check that the folders that the configuration names exist."""
    named = {f"tasks.{name}.folder": task.folder for name, task in config.tasks.items()}
    named |= {f"clip_tasks.{name}.folder": each.folder for name, each in config.clip_tasks.items() if each.folder}
    named |= {f"pools.{name}.folder": pool.folder for name, pool in config.pools.items() if pool.folder}
    return [
        Check(key, "fine", folder)
        if Path(folder).is_dir()
        else Check(key, "will fail", f"{folder} is not a folder", "correct the path, or mount its disk")
        for key, folder in named.items()
    ]
