"""Checks of the GPU, with estimates of the run time on the GPU or, without one, on the CPU."""

import importlib.util
import runpy
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from remerge.doctor.check import Check
from remerge.doctor.estimates import CORE_FLOPS, GPU_FLOPS, adapting_bytes
from remerge.run import nvidia
from remerge.run.devices import local_gpus
from remerge.run.threads import most_threads

if TYPE_CHECKING:
    from remerge.config.models import Config

OR_CPU = ", or write `device: cpu` in the configuration"
QUERY = "driver_version,name,memory.total,compute_cap"
HOUR = 3600
PATIENCE = 12
"""Hours on a CPU beyond which a GPU is recommended."""


@dataclass(frozen=True)
class Gpu:
    """One GPU, as listed by nvidia-smi."""

    driver: str
    name: str
    gigabytes: float
    capability: tuple[int, int]


def torch_build() -> tuple[str, str | None]:
    """Return torch's version and the CUDA version it is built for, without importing torch, which takes seconds."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return "missing", None
    built = runpy.run_path(str(Path(spec.origin).with_name("version.py")))
    return str(built["__version__"]), built.get("cuda")


def gpus(config: "Config", build: tuple[str, str | None] | None = None) -> list[Check]:
    """Check that torch can use each GPU and that its memory is large enough, and estimate the run time.

    Args:
        config: The configuration.
        build: The versions of torch and of its CUDA; by default those installed.
    """
    larger = any(not pool.is_small for pool in config.pools.values())
    if config.device == "cpu" or nvidia.hidden():
        why = "`device: cpu`" if config.device == "cpu" else "CUDA_VISIBLE_DEVICES hides every GPU"
        return [_on_cpu(config, why) if larger else Check("GPU", "fine", f"not used: {why}")]
    if shutil.which("nvidia-smi") is None and local_gpus():
        return [Check("GPU", "fine", "Apple's; its speed and memory are not checked")]
    if shutil.which("nvidia-smi") is None:
        return [
            _on_cpu(config, "no NVIDIA GPU here")
            if larger
            else Check("GPU", "fine", "none, and mini does not need one")
        ]
    try:
        listed = _listed()
    except ValueError as error:
        remedy = "run nvidia-smi, and see what it prints"
        return [Check("GPU", "cannot tell", f"nvidia-smi failed, so everything runs on the CPU: {error}", remedy)]
    version, cuda = build or torch_build()
    checks = [check for gpu in listed for check in (_usable(gpu, version, cuda), _memory(gpu, config))]
    return [*checks, *([Check("time", "fine", _hours(config, GPU_FLOPS, "a data-centre GPU"))] if larger else [])]


def _on_cpu(config: "Config", why: str) -> Check:
    cores = most_threads()
    message = f"{why}; {_hours(config, cores * CORE_FLOPS, f'{cores} CPU cores')}"
    if hours(config, cores * CORE_FLOPS)[1] <= PATIENCE:
        return Check("GPU", "fine", message)
    message += f"; {_hours(config, GPU_FLOPS, 'a data-centre GPU')}"
    return Check("GPU", "cannot tell", message, "run on a machine with a GPU, or on a cluster (docs/cluster.md)")


def hours(config: "Config", flops: float = GPU_FLOPS) -> tuple[float, float]:
    """Return about how long all pools but mini's take at this many operations a second: the main tables, and in all."""
    from remerge.doctor.work import operations

    main, in_all = operations(config)
    return main / flops / HOUR, in_all / flops / HOUR


def _hours(config: "Config", flops: float, on: str) -> str:
    main, in_all = (float(f"{each:.2g}") for each in hours(config, flops))
    return f"about {main:g} h on {on} for the main tables, {in_all:g} h with curves and studies"


def _listed() -> Sequence[Gpu]:
    rows = [
        [field.strip() for field in line.split(",")]
        for line in nvidia.nvidia_smi(f"--query-gpu={QUERY}", "--format=csv,noheader,nounits")
        if line.strip()
    ]
    if not rows:
        raise ValueError("it lists no GPU")
    return [Gpu(driver, name, float(memory) * 2**20 / 1e9, _version(cap)) for driver, name, memory, cap in rows]


def _version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)


def _usable(gpu: Gpu, version: str, cuda: str | None) -> Check:
    name = f"GPU {gpu.name}"
    message = f"driver {gpu.driver}, compute capability {_dotted(gpu.capability)}, torch {version}"
    if cuda is None:
        remedy = f"install the locked torch (requirements.lock){OR_CPU}"
        return Check(name, "will fail", f"{message}, which is built without CUDA", remedy)
    demands = nvidia.demands_of(cuda)
    if demands is None:
        return Check(name, "cannot tell", f"{message} for CUDA {cuda}, whose requirements are unknown here")
    if gpu.capability < demands.capability:
        message = f"{message} for CUDA {cuda}, which needs compute capability {_dotted(demands.capability)} or higher"
        remedy = f"use a newer GPU, install a torch for an older CUDA{OR_CPU}"
        return Check(name, "will fail", message, remedy)
    if series := nvidia.too_old(gpu.driver, cuda):
        message = f"{message} for CUDA {cuda}, which needs driver {series} or newer"
        return Check(name, "will fail", message, f"update the driver, install a torch for an older CUDA{OR_CPU}")
    return Check(name, "fine", f"{message} for CUDA {cuda}")


def _dotted(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))


def adapting(config: "Config") -> tuple[str, int, int] | None:
    """Return architecture, tasks and images of a step of the largest AdaMerging; None where nothing is learned."""
    learning = [method.batch_size for method in config.methods.values() if method.learns]  # type: ignore[attr-defined]
    if not learning:
        return None
    tasks = max(map(len, config.suites.values()))
    images = tasks * max(learning)
    largest = max(
        (pool.architecture for pool in config.pools.values()), key=lambda name: adapting_bytes(name, tasks, images)[1]
    )
    return largest, tasks, images


def _memory(gpu: Gpu, config: "Config") -> Check:
    name, message = f"memory of GPU {gpu.name}", f"{gpu.gigabytes:.0f} GB"
    if not (largest := adapting(config)):
        return Check(name, "fine", f"{message}; scoring adapts to it")
    architecture, tasks, images = largest
    # Images are processed in ever smaller parts until these fit.
    least, whole = (size / 1e9 for size in adapting_bytes(*largest))
    message = f"{message}; AdaMerging of {tasks} tasks on {architecture} takes about {least:.1f} GB"
    if gpu.gigabytes < least:
        return Check(name, "will fail", message, "take a larger GPU, or suites of fewer tasks")
    message += f", and {whole:.0f} GB with all {images} images of a step at once"
    return Check(name, "fine", message if gpu.gigabytes >= whole else f"{message}: they are processed in parts")
