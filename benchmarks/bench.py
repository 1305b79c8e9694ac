"""Measure speed and memory at full size and add the figures to benchmarks/results.csv: ``make bench``.

Random weights in true shapes; ratios are of cases that ran one after the other, so that a noisy machine shows in both.
FusionBench is installed from PyPI in an environment of its own, unless FUSIONBENCH_PYTHON names the Python of one.
"""

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import startup
import torch
from tqdm import tqdm

from remerge.checkpoints.weights import save_weights
from remerge.clip.encoders import build_clip
from remerge.run.threads import YIELDING, most_threads

HERE = Path(__file__).parent
FUSIONBENCH = "fusion-bench==0.2.33"
COLUMNS = ("commit", "machine", "versions", "case", "figure", "value", "unit", "target")


def task_vectors(folder: Path, architecture: str) -> Path:
    """Write eight random task vectors of an architecture's image encoder, and a ninth to start from, unless there."""
    with torch.device("meta"):
        shapes = {key: tensor.shape for key, tensor in build_clip(architecture).visual.state_dict().items()}
    own = folder / architecture
    for seed, name in enumerate(tqdm([*range(8), "pretrained"], desc=f"random {architecture}")):
        path = own / f"{name}.safetensors"
        if not path.exists():
            generator = torch.Generator().manual_seed(seed)
            save_weights(path, {key: torch.randn(shape, generator=generator) for key, shape in shapes.items()})
    return own


def run(*arguments: object) -> dict[str, Any]:
    """Run one case in a process of its own."""
    return run_in(Path(sys.executable), "cases.py", *arguments)


def run_in(python: Path, script: str, *arguments: object) -> dict[str, Any]:
    """Run a script of this folder by an environment's Python; its last line is JSON."""
    done = subprocess.run(
        [python, HERE / script, *map(str, arguments)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


class Results:
    """Figures, printed and added to a CSV file as they come, so that a run may be stopped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
        self.head = (
            commit.stdout.strip(),
            f"{platform.machine()} {os.cpu_count()} cores",
            f"python {platform.python_version()} torch {torch.__version__}",
        )

    def add(self, case: str, figure: str, value: float, unit: str, target: str = "") -> None:
        """Note one figure."""
        print(f"{case:40} {figure:34} {value:10.3f} {unit:8} {target}", flush=True)
        is_new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            if is_new:
                writer.writerow(COLUMNS)
            writer.writerow((*self.head, case, figure, f"{value:.4g}", unit, target))


def merging(results: Results, folder: Path) -> None:
    """TIES against the dense recipe; Task Arithmetic and averaging against copying the same bytes."""
    small = task_vectors(folder, "ViT-B-32")
    fast, dense = run("streaming", small, 8, "ties"), run("dense", small, 8)
    differ = max(abs(a - b) for a, b in zip(fast["sample"], dense["sample"], strict=True))
    results.add("ties 8 x ViT-B-32", "seconds", fast["seconds"], "s")
    results.add("ties 8 x ViT-B-32", "dense seconds", dense["seconds"], "s")
    results.add("ties 8 x ViT-B-32", "dense / streaming", dense["seconds"] / fast["seconds"], "x", "at least 10")
    results.add("ties 8 x ViT-B-32", "anonymous memory", fast["anonymous_gb"], "GB", "at most 1.2")
    results.add("ties 8 x ViT-B-32", "dense anonymous memory", dense["anonymous_gb"], "GB")
    results.add("ties 8 x ViT-B-32", "largest difference from dense", differ, "", "0")
    for algorithm in ("task_arithmetic", "weight_averaging"):
        copied, merged = run("copy", small, 8), run("streaming", small, 8, algorithm)
        ratio = merged["seconds"] / copied["seconds"]
        results.add(f"{algorithm} 8 x ViT-B-32", "seconds / copying", ratio, "x", "at most 1.5")
        results.add(f"{algorithm} 8 x ViT-B-32", "anonymous memory", merged["anonymous_gb"], "GB")


def written(
    results: Results, own: Path, tasks: int, method: dict[str, Any], theirs: Path | None = None, **targets: str
) -> None:
    """A method on checkpoints on disk, files read and written, and FusionBench's merge of these in memory."""
    found = run("written", own, tasks, json.dumps(method))
    around = f" ({each})" if (each := method.get("around")) else ""
    case = f"{method['algorithm']}{around} {tasks} checkpoints of {own.name}"
    results.add(case, "seconds", found["seconds"], "s", targets.get("seconds", ""))
    results.add(case, "anonymous memory", found["anonymous_gb"], "GB", targets.get("memory", ""))
    if theirs and (other := run_in(theirs, "fusionbench.py", own, method["algorithm"]))["finished"]:
        results.add(case, f"{FUSIONBENCH}, merging alone", other["seconds"], "s")
        results.add(case, f"{FUSIONBENCH} / here", other["seconds"] / found["seconds"], "x", targets.get("ratio", ""))
        results.add(case, f"{FUSIONBENCH} resident memory", other["resident_gb"], "GB")


def families(results: Results, folder: Path, architecture: str = "ViT-B-32") -> None:
    """A method of every family, files read and written, beside FusionBench where it has the method.

    It has TIES too, which takes more memory there than most machines have: see the part ``fusionbench``.
    """
    own, theirs = task_vectors(folder, architecture), fusionbench_python(folder)
    written(results, own, 8, {"algorithm": "tsv_m"}, theirs, ratio="at least 2", memory="at most 2")
    written(results, own, 8, {"algorithm": "iso_c"}, theirs, ratio="at least 1", memory="at most 2")
    written(results, own, 8, {"algorithm": "task_arithmetic"}, theirs, ratio="at least 1", memory="at most 2")
    dare = {"algorithm": "dare", "around": "task_arithmetic"}
    written(results, own, 8, dare, theirs, ratio="at least 1", memory="at most 2")
    for algorithm in ("ties", "breadcrumbs", "dppa", "magmax", "pcb", "karcher"):
        written(results, own, 8, {"algorithm": algorithm}, memory="at most 2")
    for algorithm in ("consensus", "lines"):
        written(results, own, 8, {"algorithm": algorithm, "around": "task_arithmetic"}, memory="at most 2")


def singular(results: Results, folder: Path) -> None:
    """More methods that decompose matrices, of more tasks and larger encoders."""
    small, large = (task_vectors(folder, architecture) for architecture in ("ViT-B-32", "ViT-L-14"))
    for tasks in (4, 14, 20):
        written(results, small, tasks, {"algorithm": "tsv_m"}, memory="at most 2")
    written(results, large, 8, {"algorithm": "tsv_m"}, memory="at most 4")
    for algorithm in ("iso_cts", "cart", "dc_merge", "wudi"):
        written(results, small, 8, {"algorithm": algorithm}, memory="at most 2")


def growth(results: Results, folder: Path) -> None:
    """Time and memory against tasks and parameters."""
    small = task_vectors(folder, "ViT-B-32")
    first = None
    for tasks in (4, 8, 16, 20):
        found = run("streaming", small, tasks, "ties")
        results.add(f"ties {tasks} x ViT-B-32", "seconds per task", found["seconds"] / tasks, "s")
        results.add(f"ties {tasks} x ViT-B-32", "anonymous memory", found["anonymous_gb"], "GB", "flat in tasks")
        first = first or found
    large = run("streaming", task_vectors(folder, "ViT-L-14"), 8, "ties")
    again = run("streaming", small, 8, "ties")
    per_entry = (large["seconds"] / 303.97e6) / (again["seconds"] / 87.85e6)
    results.add("ties 8 x ViT-L-14", "seconds", large["seconds"], "s")
    results.add("ties 8 x ViT-L-14", "anonymous memory", large["anonymous_gb"], "GB", "at most 3")
    results.add("ties 8 x ViT-L-14", "seconds per parameter / ViT-B-32's", per_entry, "x", "at most 1.3")


def adapting(results: Results, folder: Path) -> None:
    """An AdaMerging step against a plain forward and backward pass on the same images."""
    found = run("adaptation", task_vectors(folder, "ViT-B-32"), "ViT-B-32", 32)
    results.add("AdaMerging step, 8 x 32 images", "seconds", found["step"], "s")
    results.add("AdaMerging step, 8 x 32 images", "merge and gradient seconds", found["merge"], "s")
    results.add("AdaMerging step, 8 x 32 images", "step / plain", found["step"] / found["plain"], "x", "at most 1.15")


def sharded(results: Results, folder: Path) -> None:
    """A billion parameters in bfloat16, eight times, merged on disk."""
    for index, name in enumerate(["pretrained", *(f"task-{k}" for k in range(8))]):
        own = folder / "sharded" / name
        if (own / "model.safetensors.index.json").exists():
            continue
        generator = torch.Generator().manual_seed(index)
        where: dict[str, str] = {}
        for part in range(2):
            # One random tensor, rolled: random enough, and made in seconds.
            block = torch.randn(5000, 5000, generator=generator).bfloat16()
            weights = {f"layers.{part}.{k}.weight": block.roll(k, 0).contiguous() for k in range(20)}
            file = f"model-{part + 1:05}-of-00002.safetensors"
            save_weights(own / file, weights)
            where |= dict.fromkeys(weights, file)
        (own / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    found = run("on_disk", folder / "sharded")
    results.add("ties 8 x 2 GB of bfloat16, in parts", "seconds", found["seconds"], "s")
    results.add("ties 8 x 2 GB of bfloat16, in parts", "anonymous memory", found["anonymous_gb"], "GB", "at most 3")


def coarse(results: Results, folder: Path) -> None:
    """Two checkpoints of 1 GB in bfloat16, merged on disk: differences of few distinct values, and one huge tensor."""
    shapes = {
        "equal values": {f"layers.{k}.weight": (5000, 5000) for k in range(20)},
        "one tensor of 131072 x 4096": {"embedding.weight": (131072, 4096)},
    }
    for kind, own in shapes.items():
        root = folder / "coarse" / kind.replace(" ", "-")
        for seed, name in enumerate(["pretrained", "task-0", "task-1"]):
            path = root / name / "model.safetensors"
            if not path.exists():
                save_weights(path, {key: _moved(shape, seed) for key, shape in own.items()})
        found = run("on_disk", root)
        case = f"ties 2 x 1 GB of bfloat16, {kind}"
        results.add(case, "seconds", found["seconds"], "s")
        results.add(case, "anonymous memory", found["anonymous_gb"], "GB", "at most 3")


def _moved(shape: tuple[int, int], seed: int) -> torch.Tensor:
    """A bfloat16 tensor, and what a little training makes of it: most entries stay, or move by one rounding step."""
    weights = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 0.02
    if seed:
        weights += torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 2e-5
    return weights.bfloat16()


def scoring(results: Results, folder: Path) -> None:
    """Scoring and preparation against what they are made of."""
    rates = run("scoring", "ViT-B-32", 256)
    share = rates["scoring"] / rates["plain"]
    results.add("scoring ViT-B-32", "rate / plain forward", share, "x", "at least 0.9")
    rates = run("preparing", 150)
    ratio, bound = rates["here"] / rates["torchvision"], rates["decoding alone"] / rates["torchvision"]
    results.add("preparing 640 x 480 JPEG", "rate / torchvision", ratio, "x", "at least 2")
    results.add("preparing 640 x 480 JPEG", "rate of decoding alone / torchvision", bound, "x")


def sharing(results: Results, folder: Path) -> None:
    """Two training loops side by side on the same cores, their waiting threads asleep as in jobs, or spinning."""
    kinds: dict[str, dict[str, str]] = {"spinning": {"OMP_WAIT_POLICY": "ACTIVE"}, "asleep": dict(YIELDING)}
    threads = {"OMP_NUM_THREADS": str(most_threads())}
    command = [sys.executable, str(HERE / "cases.py"), "training", "20"]
    for loops in (1, 2):
        seconds = {}
        for name, waiting in kinds.items():
            environment = {key: value for key, value in os.environ.items() if key not in YIELDING}
            environment |= {**threads, **waiting, "PYTHONPATH": str(HERE.parent)}
            running = [
                subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(loops)
            ]
            seconds[name] = max(json.loads(each.communicate()[0])["seconds"] for each in running)
        case = f"{loops} training loop{'s side by side' if loops > 1 else ' alone'}"
        results.add(case, "seconds, waiting threads asleep", seconds["asleep"], "s")
        results.add(case, "spinning / asleep", seconds["spinning"] / seconds["asleep"], "x")


def fusionbench_python(folder: Path) -> Path:
    """The Python of an environment with FusionBench: that of FUSIONBENCH_PYTHON, or of one installed from PyPI."""
    if given := os.environ.get("FUSIONBENCH_PYTHON"):
        return Path(given)
    environment = folder / "fusionbench"
    python, uv = environment / "bin" / "python", Path(sys.executable).with_name("uv")
    if not (environment / "installed").exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, FUSIONBENCH], check=True)
        (environment / "installed").touch()
    return python


def fusionbench(results: Results, folder: Path) -> None:
    """FusionBench on the same checkpoints in the same minutes."""
    python, checkpoints = fusionbench_python(folder), task_vectors(folder, "ViT-B-32")
    for name in ("task_arithmetic", "ties"):
        case = f"{name} 8 checkpoints of ViT-B-32"
        ours = run("checkpoints", checkpoints, name)
        theirs = run_in(python, "fusionbench.py", checkpoints, name)
        results.add(case, "seconds", ours["seconds"], "s")
        results.add(case, "anonymous memory", ours["anonymous_gb"], "GB")
        results.add(case, f"{FUSIONBENCH} finished in 22 GB", float(theirs["finished"]), "")
        if theirs["finished"]:
            differ = max(abs(a - b) for a, b in zip(ours["sample"], theirs["sample"], strict=True))
            results.add(case, f"{FUSIONBENCH} / here", theirs["seconds"] / ours["seconds"], "x")
            results.add(case, f"{FUSIONBENCH} resident memory", theirs["resident_gb"], "GB")
            results.add(case, f"largest difference from {FUSIONBENCH}", differ, "")


def starting(results: Results, folder: Path) -> None:
    """How long the jobs of ``make results``, run before, took, and which rules most of that."""
    jobs = startup.measured(HERE / "jobs", HERE.parent)
    if not jobs:
        print("no job has been measured: make results first", file=sys.stderr)
        return
    results.add("jobs of make results", "jobs", len(jobs), "")
    results.add("jobs of make results", "seconds, of all together", sum(job.seconds for job in jobs), "s")
    for rule, seconds in startup.by_rule(jobs)[:6]:
        results.add("jobs of make results", f"share of {rule}", seconds / sum(job.seconds for job in jobs), "")


PARTS = {
    "merging": merging,
    "fusionbench": fusionbench,
    "families": families,
    "singular": singular,
    "growth": growth,
    "sharded": sharded,
    "coarse": coarse,
    "adapting": adapting,
    "scoring": scoring,
    "starting": starting,
    "sharing": sharing,
}


def main() -> None:
    """Run the parts asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="what to measure; all by default")
    parser.add_argument("--folder", type=Path, default=Path("results/bench"), help="for 38 GB of random weights")
    given = parser.parse_args()
    results = Results(HERE / "results.csv")
    for part in given.parts or PARTS:
        PARTS[part](results, given.folder)


if __name__ == "__main__":
    main()
