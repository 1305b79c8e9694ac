"""Merging checkpoints of any size on disk, reading and writing tile by tile."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from remerge.checkpoints.sets import CheckpointSet, CheckpointWriter
from remerge.checkpoints.weights import Weights, check_compatible
from remerge.errors import RemergeError
from remerge.merging.rules import MergeRule, Place
from remerge.merging.streaming import Difference, merge_tiles


def merge_checkpoints(
    merge_rule: Callable[[Sequence[Weights]], MergeRule],
    pretrained: str | Path,
    finetuned: Sequence[str | Path],
    out: str | Path,
    *,
    scaling: float,
) -> None:
    """Merge checkpoints by a rule and write the merged checkpoint, split into files as the pre-trained one is.

    Task vectors are computed, merged and added in float32 (float64 for float64 weights) and rounded once to the
    pre-trained tensor's dtype; tensors that are not floating-point are copied.

    Args:
        merge_rule: Maps task vectors to the rule, as defined in the file of a method of kind ``rule``.
        pretrained: A safetensors file, or a folder with one, or with several and their index.
        finetuned: One per task, with the same tensors; they may be split differently.
        out: A folder for the merged checkpoint; it must not be the folder of an input.
        scaling: The merging coefficient lambda.

    Raises:
        MismatchError: Keys, shapes or dtypes differ; nothing has been written.
        ParameterError: A parameter is out of range; nothing has been written.
        RemergeError: A checkpoint is missing or broken, or ``out`` is an input's folder.
        OSError: The disk is full; nothing is left under a final name.
    """
    start, tuned = CheckpointSet(pretrained), [CheckpointSet(path) for path in finetuned]
    for given in (start, *tuned):
        folder = given.path if given.path.is_dir() else given.path.parent
        if folder.resolve() == Path(out).resolve():
            raise RemergeError(
                f"{out}: is where {given.path} lies; choose another folder, inputs are never overwritten"
            )
    check_compatible(start, tuned)
    vectors = [Difference(start, weights) for weights in tuned]
    rule = merge_rule(vectors)
    with CheckpointWriter(start, out) as writer:

        def write(place: Place, entries: Tensor) -> None:
            part = slice(place.begin, place.end)
            before = start[place.key].reshape(-1)[part].to(entries.dtype)
            writer.tensors[place.key].view(-1)[part] = torch.add(before, entries, alpha=scaling)

        merge_tiles(rule, vectors, write)
        for key, tensor in writer.tensors.items():
            if not tensor.is_floating_point():
                tensor.copy_(start[key])
