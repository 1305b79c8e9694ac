"""Where models run: a GPU where there is one and the job was given it, else the CPU."""

import platform
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any


def local_gpus() -> int:
    """Count this machine's GPUs, NVIDIA's or Apple's, without importing torch, which would cost seconds."""
    if (platform.system(), platform.machine()) == ("Darwin", "arm64"):
        return 1
    if shutil.which("nvidia-smi") is None:
        return 0
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())


def device_for(resources: Mapping[str, Any]) -> str:
    """Return the torch device name for a job's resources; clusters grant a GPU as ``gpu`` or as ``gres``."""
    import torch

    granted = bool(resources.get("gpu")) or "gpu" in str(resources.get("gres", ""))
    if granted and torch.cuda.is_available():
        return "cuda"
    return "mps" if granted and torch.backends.mps.is_available() else "cpu"
