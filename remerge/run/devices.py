"""Where models run: on a GPU if the job was given one, else on the CPU; never silently on another device."""

import os
import platform
import sys
from collections.abc import Mapping
from typing import Any

from remerge.errors import RemergeError
from remerge.run.nvidia import count, driver_version, has_kernels, hidden, too_old

# Holds the configuration's `device`. The workflow sets it whenever it is parsed, also in jobs on a cluster.
SETTING = "REMERGE_DEVICE"

INSTALL = (
    "uv pip install --torch-backend={} --reinstall-package torch --reinstall-package torchvision "
    "'torch>=2.11' torchvision"
)

_in_use: list[str] = []


class DeviceError(RemergeError, RuntimeError):
    """A job was given a GPU that it cannot use."""


def local_gpus() -> int:
    """Count this machine's GPUs, NVIDIA's or Apple's, without importing torch, which would cost seconds."""
    if (platform.system(), platform.machine()) == ("Darwin", "arm64"):
        return 1
    return 0 if hidden() else count()


def device_for(resources: Mapping[str, Any]) -> str:
    """Return the torch device name for a job's resources, and print once to standard error what it is.

    Args:
        resources: The job's resources; clusters grant a GPU as ``gpu`` or as ``gres``.

    Raises:
        DeviceError: The job was given a GPU that torch cannot use, and the configuration does not say ``device: cpu``.
    """
    granted = bool(resources.get("gpu")) or "gpu" in str(resources.get("gres", ""))
    device = _gpu() if granted and os.environ.get(SETTING) != "cpu" else "cpu"
    if device not in _in_use:
        _in_use.append(device)
        print(f"device: {_described(device)}", file=sys.stderr)
    return device


def device_for_float64(resources: Mapping[str, Any]) -> str:
    """Return the same for work in float64: the CPU in place of an Apple GPU, which has none.

    See :func:`device_for`.
    """
    import torch

    return device_for({} if torch.backends.mps.is_available() else resources)


def device_in_use() -> str:
    """Return the last choice of :func:`device_for` in this process; the CPU if it was never called."""
    return _in_use[-1] if _in_use else "cpu"


def out_of_memory(error: BaseException) -> bool:
    """Whether a device ran out of memory; on Apple's GPUs that is a plain ``RuntimeError``."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "MPS backend out of memory" in str(error)
    )


def _gpu() -> str:
    """The GPU that torch can use, or an error that says why there is none."""
    import torch

    if torch.cuda.is_available():
        capability, built_for = torch.cuda.get_device_capability(), torch.cuda.get_arch_list()
        if torch.version.hip is None and not has_kernels(built_for, capability):
            raise _unusable(
                f"torch {torch.__version__} has no kernels for {torch.cuda.get_device_name()}, of compute capability "
                f"{capability[0]}.{capability[1]}, only for {', '.join(built_for)}",
                "install a build for an older CUDA, " + INSTALL.format("cu126"),
            )
        try:
            # A GPU that is present may still refuse this process.
            torch.cuda.mem_get_info()
        except RuntimeError as error:
            raise _unusable(
                f"it does not open: {_in_one_line(error)}",
                "see in nvidia-smi whether another process fills it or has it to itself, or run on another node",
            ) from error
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    raise _why_none()


def _why_none() -> DeviceError:
    import torch

    version, cuda = torch.__version__, torch.version.cuda
    if platform.system() == "Darwin":
        return _unusable(
            f"torch {version} cannot use this machine's GPU", "install torch for arm64 on macOS 14 or newer"
        )
    if cuda is None and torch.version.hip is None:
        return _unusable(f"torch {version} is built without CUDA", "install one with it, " + INSTALL.format("auto"))
    if hidden():
        return _unusable("CUDA_VISIBLE_DEVICES hides every GPU", "unset it")
    if not count():
        return _unusable("nvidia-smi lists no GPU on this node", "ask for a node or partition that has one")
    driver = driver_version()
    if needed := too_old(driver, cuda):
        return _unusable(
            f"the NVIDIA driver {driver} is too old for torch {version}, which needs {needed} or newer",
            "install a build for an older CUDA, " + INSTALL.format("auto"),
        )
    return _unusable(f"torch {version} cannot use the GPU that nvidia-smi lists (driver {driver})", _said_by_cuda())


def _unusable(reason: str, remedy: str) -> DeviceError:
    return DeviceError(
        f"this job was given a GPU and cannot use one: {reason}.\n"
        f"Remedy: {remedy}; or write `device: cpu` in the configuration to run on the CPU."
    )


def _said_by_cuda() -> str:
    import torch

    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return f"see what CUDA says ({_in_one_line(error)})"
    return "try again"


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _described(device: str) -> str:
    import torch

    if device == "cuda":
        free, total = torch.cuda.mem_get_info()
        what = f"cuda, {torch.cuda.get_device_name()}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
    elif device == "mps":
        what = f"mps, {platform.processor()}, {torch.mps.recommended_max_memory() / 2**30:.1f} GiB to use"
    else:
        threads = torch.get_num_threads()
        what = f"cpu ({platform.machine()}), {threads} thread{'s' * (threads > 1)}"
    return f"{what}; torch {torch.__version__}, CUDA {torch.version.cuda or 'none'}"
