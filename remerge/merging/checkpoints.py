"""Merging checkpoints of any size on disk, reading and writing tile by tile."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from remerge.checkpoints.differences import explanations, listed
from remerge.checkpoints.lora import Adapter, is_adapter
from remerge.checkpoints.sets import CheckpointSet, CheckpointWriter, files_in
from remerge.checkpoints.weights import Weights, check_compatible
from remerge.errors import MismatchError, RemergeError
from remerge.merging.lora import of_adapter
from remerge.merging.rules import MergeRule, Place
from remerge.merging.streaming import Difference, merge_tiles


def merge_checkpoints(
    merge_rule: Callable[[Sequence[Weights]], MergeRule],
    pretrained: str | Path,
    finetuned: Sequence[str | Path],
    out: str | Path,
    *,
    scaling: float,
    dtype: torch.dtype | None = None,
) -> list[Path]:
    """Merge checkpoints by a rule and write the merged checkpoint, split into files as the pre-trained one is.

    Task vectors are computed, merged and added in float32 (float64 for float64 weights) and rounded once, when they are
    written; tensors that are not floating-point are copied.

    Args:
        merge_rule: Maps task vectors to the rule, as defined in the file of a method of kind ``rule``.
        pretrained: A safetensors file, or a folder with one, or with several and their index.
        finetuned: One per task: a checkpoint with the same tensors, which may be split differently, or a LoRA adapter
            of the pre-trained model (:mod:`remerge.checkpoints.lora`).
        out: A folder for the merged checkpoint; it must not be the folder of an input.
        scaling: The merging coefficient lambda.
        dtype: What floating-point tensors are written in; None for the dtype of each pre-trained tensor.

    Returns:
        The files that were read.

    Raises:
        MismatchError: Keys, shapes or dtypes differ; nothing has been written.
        ParameterError: A parameter is out of range; nothing has been written.
        RemergeError: A checkpoint is missing or broken, ``out`` is an input's folder or holds another checkpoint, or
            merged weights are too large for float16; nothing is left under a final name.
        OSError: The disk is full; nothing is left under a final name.
    """
    if is_adapter(pretrained):
        raise RemergeError(f"{pretrained}: is an adapter; the pre-trained must be the model that it was trained on")
    start = CheckpointSet(pretrained)
    tuned = [Adapter(path) if is_adapter(path) else CheckpointSet(path) for path in finetuned]
    read = [file for given in (start, *tuned) for file in given.files]
    _check_folder(Path(out), read, start)
    _check_fit(start, tuned)
    vectors = [of_adapter(start, each) if isinstance(each, Adapter) else Difference(start, each) for each in tuned]
    rule = merge_rule(vectors)
    with CheckpointWriter(start, out, dtype) as writer:

        def write(place: Place, entries: Tensor) -> None:
            part = slice(place.begin, place.end)
            before = start[place.key].reshape(-1)[part].to(entries.dtype)
            written = writer.tensors[place.key].view(-1)[part]
            written.copy_(torch.add(before, entries, alpha=scaling))
            # Other dtypes reach as far as float32, in which they were computed.
            if written.dtype == torch.float16 and not written.isfinite().all():
                raise RemergeError(f"{place.key!r}: merged weights are too large for float16; write another dtype")

        merge_tiles(rule, vectors, write)
        for key, tensor in writer.tensors.items():
            if not tensor.is_floating_point():
                tensor.copy_(start[key])
    return read


def _check_folder(out: Path, read: Sequence[Path], start: CheckpointSet) -> None:
    """Refuse a folder in which a merge would overwrite an input, or be mixed with the files of another checkpoint."""
    for file in read:
        if file.parent.resolve() == out.resolve():
            raise RemergeError(f"{out}: is where {file} lies; choose another folder, inputs are never overwritten")
    if others := sorted(set(files_in(out)) - {file.name for file in start.files}):
        raise RemergeError(
            f"{out}: holds {', '.join(others[:3])} of another checkpoint; choose an empty folder, or remove them"
        )


def _check_fit(start: CheckpointSet, tuned: Sequence[CheckpointSet | Adapter]) -> None:
    """Refuse checkpoints and adapters that do not fit the pre-trained model, with what explains it and the remedy."""
    for each in tuned:
        if isinstance(each, Adapter):
            each.check_fits(start)
    try:
        # An adapter has the tensors of its pre-trained model.
        check_compatible(start, [start if isinstance(each, Adapter) else each for each in tuned])
    except MismatchError as error:
        full = [each for each in tuned if isinstance(each, CheckpointSet)]
        found = [f"{each.path}: {explanation}" for each in full for explanation in explanations(start, each)]
        raise MismatchError(f"{error}{listed(found)}") from None
