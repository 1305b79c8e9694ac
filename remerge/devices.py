"""Where models run: a GPU where there is one and the job was given it, else the CPU."""

import shutil
import subprocess


def local_gpus() -> int:
    """Count this machine's NVIDIA GPUs without importing torch, which would cost seconds."""
    if shutil.which("nvidia-smi") is None:
        return 0
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())


def device_for(gpus: int) -> str:
    """Return the torch device name for a job that was granted ``gpus`` GPUs."""
    import torch

    return "cuda" if gpus and torch.cuda.is_available() else "cpu"
