"""Where models run: a GPU where there is one and the job was given it, else the CPU."""

import platform
import shutil
import subprocess


def local_gpus() -> int:
    """Count this machine's GPUs, NVIDIA's or Apple's, without importing torch, which would cost seconds."""
    if (platform.system(), platform.machine()) == ("Darwin", "arm64"):
        return 1
    if shutil.which("nvidia-smi") is None:
        return 0
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())


def device_for(gpus: int) -> str:
    """Return the torch device name for a job that was granted ``gpus`` GPUs."""
    import torch

    if gpus and torch.cuda.is_available():
        return "cuda"
    return "mps" if gpus and torch.backends.mps.is_available() else "cpu"
