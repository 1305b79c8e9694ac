"""What a user of the library alone does, in an empty folder, with `remerge` and its base dependencies installed."""

import subprocess
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import remerge
from remerge.merging.coefficients import Coefficients


def state(*layer: float, steps: int = 0) -> dict[str, Tensor]:
    """A state dict of one small layer and a counter."""
    return {"layer": torch.tensor(layer, dtype=torch.float32).reshape(2, 2), "steps": torch.tensor(steps)}


start, tuned = state(0, 1, 2, 3, steps=7), [state(1, 1, 2.5, 0), state(2, 3, 1, 3)]
halves = Coefficients((0,), ("a", "b"), ("all",), torch.tensor([[[0.5], [0.5]]]))
by_ties = [1.5, 3.0, 2.0, 0.0]  # trimming leaves 1 and -3 of the first task vector, 2 and 2 of the second

merged = {
    "task_vector": (remerge.task_vector(start, tuned[0]), [1.0, 0.0, 0.5, -3.0]),
    "weight_averaging": (remerge.weight_averaging(tuned), [1.5, 2.0, 1.75, 1.5]),
    "task_arithmetic": (remerge.task_arithmetic(start, tuned, scaling=0.5), [1.5, 2.0, 1.75, 1.5]),
    "ties": (remerge.ties(start, tuned, keep=0.5, merge="mean", scaling=1.0), by_ties),
    "merge": (remerge.merge(start, tuned, "task_arithmetic", scaling=0.5), [1.5, 2.0, 1.75, 1.5]),
    "merge_by_coefficients": (remerge.merge_by_coefficients(start, tuned, halves), [1.5, 2.0, 1.75, 1.5]),
}
assert merged.keys() == set(remerge.__all__)
for name, (weights, expected) in merged.items():
    assert weights["layer"].flatten().tolist() == expected, name

save_file(start, "start.safetensors")
for index, weights in enumerate(tuned):
    save_file(weights, f"{index}.safetensors")
command = (
    "remerge merge --method ties --pretrained start.safetensors --finetuned 0.safetensors 1.safetensors --out merged"
)
subprocess.run([*command.split(), "--keep", "0.5", "--merge", "mean", "--scaling", "1"], check=True)
(file,) = Path("merged").glob("*.safetensors")
on_disk = load_file(file)
assert on_disk["layer"].flatten().tolist() == by_ties
assert on_disk["steps"].item() == 7

Path("plan.yaml").write_text(
    """
    method: ties
    parameters: {keep: 0.5, merge: mean, scaling: 1}
    pretrained: start.safetensors
    finetuned: [0.safetensors, 1.safetensors]
    out: planned
    """
)
subprocess.run(["remerge", "merge", "plan.yaml"], check=True)
assert Path("planned", file.name).read_bytes() == file.read_bytes()
