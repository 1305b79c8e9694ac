"""Merged results as encoders, for any assembly: one encoder for all tasks, or one per task."""

import hashlib
import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

import torch
from torch import nn

from remerge.checkpoints.headers import SEPARATOR
from remerge.checkpoints.weights import LazyWeights, Weights, load_weights, save_weights
from remerge.clip.encoders import architecture_in, build_clip, load_encoder
from remerge.errors import ParameterError, RemergeError
from remerge.merging.assemblies import ASSEMBLIES, MergedFiles, part_path
from remerge.run.atomic import atomic_path


class Merged(MergedFiles, ABC):
    """A merged result that can be run. An assembly is a subclass with an entry in the registry of assemblies."""

    @abstractmethod
    def encoder_for(self, task: str) -> nn.Module:
        """Return the image encoder for a task, in evaluation mode: ``[n, 3, height, width]`` to ``[n, d]``.

        It is valid until the next call. Only one encoder is in memory at a time: an assembly whose weights differ
        between tasks always returns the same module and overwrites its weights, on their current device.

        Raises:
            RemergeError: The result has parts, but none for this task.
        """

    def serves(self, task: str) -> bool:
        """Return whether there is an encoder for a task: a task whose expert was missing has no part."""
        return not self.assembly.needs_task_name or task in self.parts

    def part(self, task: str) -> LazyWeights:
        """Return the part of a task.

        Raises:
            RemergeError: There is none.
        """
        if task not in self.parts:
            raise RemergeError(
                f"{self.path}: has no part for {task}, only for {', '.join(self.parts)}; score it on those"
            )
        return load_weights(self.parts[task])


class Plain(Merged):
    """One encoder for all tasks, whose weights are the shared file; subclasses add modules to it."""

    def __init__(self, path: str | Path) -> None:
        """Load the encoder.

        Raises:
            RemergeError: See :class:`MergedFiles` and :func:`remerge.clip.encoders.load_encoder`.
        """
        super().__init__(path)
        self._encoder = load_encoder(path)

    def encoder_for(self, task: str) -> nn.Module:
        """Return the encoder, the same for every task."""
        return self._encoder


class Rebuilt(Merged):
    """One encoder whose weights are made anew from the shared file and the part of the task that is named."""

    def __init__(self, path: str | Path) -> None:
        """Open the shared file; weights are read, and the encoder is built, when a task is named.

        Raises:
            RemergeError: See :class:`MergedFiles`.
        """
        super().__init__(path)
        self._shared = load_weights(path)

    @cached_property
    def _encoder(self) -> nn.Module:
        """The module that weights are written into; a T5's weights have no use for it."""
        return build_clip(architecture_in(self.path)).visual.eval()

    @abstractmethod
    def weights_for(self, task: str) -> Weights:
        """Return the encoder's weights for a task.

        Raises:
            RemergeError: The result has no part for this task.
        """

    def encoder_for(self, task: str) -> nn.Module:
        """Return the encoder with the task's weights.

        Raises:
            RemergeError: See :meth:`weights_for` and :func:`remerge.clip.encoders.architecture_in`.
        """
        try:
            self._encoder.load_state_dict(dict(self.weights_for(task)))
        except RuntimeError as error:
            raise RemergeError(f"{self.path}: not the weights of its architecture: {error}") from error
        return self._encoder


def load_merged(path: str | Path) -> Merged:
    """Return the merged result whose shared file is at ``path``, using the assembly that its header names.

    An encoder in one file, such as the pre-trained one, is a plain result.

    Raises:
        RemergeError: See :class:`remerge.merging.assemblies.MergedFiles`; or the files' weights are not those of an
            encoder.
    """
    assembly = MergedFiles(path).assembly
    merged: Merged = getattr(importlib.import_module(assembly.module), assembly.name)(path)
    return merged


def save_merged(
    path: str | Path,
    shared: Weights,
    metadata: Mapping[str, str],
    assembly: str = "plain",
    parts: Mapping[str, Weights] | None = None,
    absent: Iterable[str] = (),
) -> None:
    """Write a merged result: all its files or, if one cannot be written, none. A plain result is one file of weights.

    Args:
        path: The shared file; parts go into the folder of the same name.
        shared: Weights that all tasks share.
        metadata: Text fields of every file's header, such as ``architecture``.
        assembly: Name of the assembly that reads them.
        parts: Weights that only one task needs, by task.
        absent: Tasks without a part, for want of an expert; their files say so and hold no tensors.

    Raises:
        ParameterError: The assembly is unknown.
        RemergeError: A tensor holds NaN or infinity.
    """
    if assembly not in ASSEMBLIES:
        raise ParameterError(f"unknown assembly {assembly!r}; known: {', '.join(ASSEMBLIES)}")
    fields = dict(metadata)
    header = fields | ({} if assembly == "plain" else {"assembly": assembly})
    files = {Path(path): (shared, header)}
    if parts:
        # Identifies the files of one result, in case some are copied or a run is interrupted between renames.
        fields["digest"] = header["digest"] = _digest({"": shared, **parts})
        header["parts"] = SEPARATOR.join(parts)
        files |= {part_path(path, task): (weights, fields | {"task": task}) for task, weights in parts.items()}
    files |= {part_path(path, task): ({}, fields | {"task": task, "missing": "no expert"}) for task in absent}
    with ExitStack() as stack:
        for final, (weights, text) in files.items():
            save_weights(stack.enter_context(atomic_path(final)), weights, text)


def _digest(named: Mapping[str, Weights]) -> str:
    digest = hashlib.sha256()
    for name, weights in named.items():
        for key in sorted(weights):
            tensor = weights[key].detach().cpu().contiguous()
            digest.update(f"{name} {key} {tensor.dtype} {list(tensor.shape)}".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
