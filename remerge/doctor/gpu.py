"""Checks of the GPU: driver, compute capability and memory, as nvidia-smi tells them."""

import importlib.util
import runpy
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from remerge.config.models import AdaMerging, Config
from remerge.doctor.check import Check
from remerge.doctor.estimates import ADAPTING_GB, CUDA_GB, CUDA_NEEDS, PARAMETERS

QUERY = "driver_version,name,memory.total,compute_cap"


@dataclass(frozen=True)
class Gpu:
    """What nvidia-smi tells of one GPU."""

    driver: str
    name: str
    gigabytes: float
    capability: float


def torch_build() -> tuple[str, str | None]:
    """Return torch's version and that of the CUDA it is built for, without the seconds that importing it takes."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return "missing", None
    told = runpy.run_path(str(Path(spec.origin).with_name("version.py")))
    return str(told["__version__"]), told.get("cuda")


def gpus(config: Config, build: tuple[str, str | None] | None = None) -> list[Check]:
    """Whether torch can use each GPU, and whether its memory is enough for the configuration.

    Args:
        config: The configuration.
        build: torch's version and its CUDA's; those installed when None.
    """
    larger = {pool.architecture for pool in config.pools.values()} - {"mini"}
    if shutil.which("nvidia-smi") is None:
        if larger:
            told = f"no NVIDIA GPU on this machine; on its CPU {', '.join(sorted(larger))} takes days"
            return [Check("GPU", "cannot tell", told, "run on a machine with a GPU, or on a cluster (docs/cluster.md)")]
        return [Check("GPU", "fine", "none, and mini needs none")]
    try:
        listed = _listed()
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return [Check("GPU", "cannot tell", f"nvidia-smi gives no answer: {error}", "look at what nvidia-smi prints")]
    version, cuda = build or torch_build()
    return [check for gpu in listed for check in (_usable(gpu, version, cuda, bool(larger)), _memory(gpu, config))]


def _listed() -> Sequence[Gpu]:
    run = subprocess.run(
        ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader,nounits"],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    rows = [[field.strip() for field in line.split(",")] for line in run.stdout.splitlines() if line.strip()]
    if not rows:
        raise ValueError("it lists no GPU")
    return [
        Gpu(driver, name, float(memory) * 2**20 / 1e9, float(capability)) for driver, name, memory, capability in rows
    ]


def _usable(gpu: Gpu, version: str, cuda: str | None, needed: bool) -> Check:
    name = f"GPU {gpu.name}"
    told = f"driver {gpu.driver}, compute capability {gpu.capability}, torch {version}"
    if cuda is None:
        remedy = "install the locked torch (requirements.lock)"
        return Check(name, "cannot tell", f"{told}, which is built without CUDA: all runs on the CPU", remedy)
    major = int(cuda.split(".")[0])
    if major not in CUDA_NEEDS:
        return Check(name, "cannot tell", f"{told} for CUDA {cuda}, whose needs are not known here")
    driver, capability = CUDA_NEEDS[major]
    if gpu.capability < capability:
        told = f"{told} for CUDA {cuda}, which needs compute capability {capability} or higher"
        remedy = "take a newer GPU, install a torch for an older CUDA, or set CUDA_VISIBLE_DEVICES= to run on the CPU"
        return Check(name, "will fail", told, remedy)
    if int(gpu.driver.split(".")[0]) < driver:
        told = f"{told} for CUDA {cuda}, which needs driver {driver} or newer"
        remedy = "update the driver, or install a torch for an older CUDA"
        # torch then sees no GPU and works on the CPU, which is enough for mini.
        return Check(name, "will fail" if needed else "cannot tell", told, remedy)
    return Check(name, "fine", f"{told} for CUDA {cuda}")


def _memory(gpu: Gpu, config: Config) -> Check:
    learning = [method for method in config.methods.values() if isinstance(method, AdaMerging) and method.learns]
    largest = max((pool.architecture for pool in config.pools.values()), key=ADAPTING_GB.__getitem__)
    name, told = f"memory of GPU {gpu.name}", f"{gpu.gigabytes:.0f} GB"
    if not learning:
        return Check(name, "fine", f"{told}; scoring takes what there is")
    tasks = max(map(len, config.suites.values()))
    images = tasks * max(method.batch_size for method in learning)
    # Task vectors, the pre-trained and the merged weights, and gradients stay there; images are passed in smaller and
    # smaller parts as long as memory is too little.
    least = CUDA_GB + 4 * (tasks + 3) * PARAMETERS[largest][0] / 1e9
    whole = max(least, ADAPTING_GB[largest] * images / 256)
    told = f"{told}; AdaMerging of {tasks} tasks on {largest} takes about {least:.1f} GB"
    if gpu.gigabytes < least:
        return Check(name, "will fail", told, "take a larger GPU, or suites of fewer tasks")
    if gpu.gigabytes < whole:
        return Check(name, "fine", f"{told}, and {whole:.0f} GB with {images} images at once: they go in parts, slower")
    return Check(name, "fine", f"{told}, and {whole:.0f} GB with {images} images at once")
