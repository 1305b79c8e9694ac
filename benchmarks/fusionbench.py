"""FusionBench's merging of eight checkpoints, in an environment of its own; prints JSON.

python benchmarks/fusionbench.py FOLDER task_arithmetic|ties|tsv_m|iso_c|dare

The models are loaded before the clock starts, as are the files that this library reads while it runs.
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch
from fusion_bench import BaseModelPool
from fusion_bench.method import (
    DareTaskArithmetic,
    ISO_C_Merge,
    TaskArithmeticAlgorithm,
    TaskSingularVectorMerging,
    TiesMergingAlgorithm,
)
from safetensors.torch import load_file
from torch import nn

# Beyond this the case ends with an error rather than have the system end some process for lack of memory.
MOST_GB = 22


def model(path: Path) -> nn.Module:
    """Wrap a checkpoint's tensors in a module; a parameter's name may hold no dot, and this sorts like one."""
    parameters = {key.replace(".", "!"): nn.Parameter(tensor) for key, tensor in load_file(path).items()}
    return nn.ParameterDict(parameters)


def main() -> None:
    """Merge by one algorithm."""
    folder, name = Path(sys.argv[1]), sys.argv[2]
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_GB * 10**9, MOST_GB * 10**9))
    algorithms: dict[str, Any] = {
        "task_arithmetic": lambda: TaskArithmeticAlgorithm(scaling_factor=0.3),
        "tsv_m": lambda: TaskSingularVectorMerging(),
        "iso_c": lambda: ISO_C_Merge(scaling_factor=1.0),
        "dare": lambda: DareTaskArithmetic(scaling_factor=0.3, sparsity_ratio=0.5, only_on_linear_weights=False),
        "ties": lambda: TiesMergingAlgorithm(scaling_factor=0.3, threshold=20, remove_keys=[], merge_func="sum"),
    }
    models = {f"task-{index}": model(folder / f"{index}.safetensors") for index in range(8)}
    pool = BaseModelPool(models | {"_pretrained_": model(folder / "pretrained.safetensors")})
    begin = time.perf_counter()
    try:
        merged = algorithms[name]().run(pool)
    except (MemoryError, RuntimeError) as error:
        if "memory" not in str(error).lower() and not isinstance(error, MemoryError):
            raise
        print(json.dumps({"finished": False}))
        return
    seconds = time.perf_counter() - begin
    flat = torch.cat([merged.state_dict()[key].flatten() for key in sorted(merged.state_dict())])
    sample = flat[:: len(flat) // 20000].tolist()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"finished": True, "seconds": seconds, "resident_gb": peak, "sample": sample}))


if __name__ == "__main__":
    main()
