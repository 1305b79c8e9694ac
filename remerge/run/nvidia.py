"""NVIDIA GPUs without torch: the output of ``nvidia-smi``, and the driver and GPU that a version of CUDA requires."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

TIMEOUT = 10
"""Seconds to wait for ``nvidia-smi``, which hangs on a broken driver."""


@dataclass(frozen=True)
class Demands:
    """Requirements of builds for one major version of CUDA.

    Attributes:
        driver: The oldest driver series that runs them.
        capability: The oldest compute capability that they can be compiled for. A build may support fewer old GPUs:
            :func:`has_kernels` decides from the build's list.
    """

    driver: int
    capability: tuple[int, int]


DEMANDS = {11: Demands(450, (3, 5)), 12: Demands(525, (5, 0)), 13: Demands(580, (7, 5))}


def demands_of(cuda: str | None) -> Demands | None:
    """Return the requirements of builds for a version of CUDA, such as ``"13.2"``; None if unknown."""
    major = (cuda or "").split(".")[0]
    return DEMANDS.get(int(major)) if major.isdecimal() else None


def too_old(driver: str, cuda: str | None) -> int | None:
    """Return the driver series that builds for a version of CUDA require, if ``driver`` is older."""
    demands, series = demands_of(cuda), driver.split(".")[0]
    return demands.driver if demands and series.isdecimal() and int(series) < demands.driver else None


def has_kernels(architectures: Iterable[str], capability: tuple[int, int]) -> bool:
    """Whether a build runs on a GPU.

    Args:
        architectures: What it is compiled for, as in ``torch.cuda.get_arch_list``. ``sm_86`` also runs on later minor
            versions, ``sm_90a`` only on 9.0, and PTX (``compute_90``) on anything later.
        capability: The GPU's compute capability.
    """
    for architecture in architectures:
        kind, _, version = architecture.partition("_")
        number = version.rstrip("af")
        if not number.isdecimal():
            continue
        built = divmod(int(number), 10)
        if kind == "compute" and built <= capability:
            return True
        later_minor = number == version and built[0] == capability[0] and built <= capability
        if kind == "sm" and (built == capability or later_minor):
            return True
    return False


def hidden() -> bool:
    """Whether ``CUDA_VISIBLE_DEVICES`` hides every GPU."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1", "NoDevFiles")


def nvidia_smi(*arguments: str) -> list[str]:
    """Return the lines that ``nvidia-smi`` prints; none if it is missing or fails."""
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        run = subprocess.run(["nvidia-smi", *arguments], capture_output=True, text=True, check=False, timeout=TIMEOUT)
    except (OSError, subprocess.SubprocessError):
        return []
    return run.stdout.splitlines() if run.returncode == 0 else []


def count() -> int:
    """Count the GPUs that ``nvidia-smi`` lists."""
    return sum(line.startswith("GPU ") for line in nvidia_smi("-L"))


def driver_version() -> str:
    """Return the version of the driver, such as ``580.82.07``."""
    return next(iter(nvidia_smi("--query-gpu=driver_version", "--format=csv,noheader")), "unknown").strip()
