"""LoRA adapters as PEFT saves them (arXiv:2106.09685), read without PEFT: what they change of a pre-trained model.

An adapter is a folder with ``adapter_config.json`` and ``adapter_model.safetensors``. For every adapted linear layer it
holds two factors, ``lora_A`` of shape [r, in] and ``lora_B`` of shape [out, r]; the layer's weight changes by
``scaling * lora_B @ lora_A``. Other tensors, those of ``modules_to_save`` and trained biases, are stored whole and
replace the pre-trained model's. What would change a model in any other way is refused.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from remerge.checkpoints.differences import listed, vocabulary_fault
from remerge.checkpoints.lora_config import CONFIG, REMEDY, read_lora_config
from remerge.checkpoints.sets import files_in
from remerge.checkpoints.weights import Weights, load_weights
from remerge.errors import MismatchError, RemergeError

WEIGHTS = "adapter_model.safetensors"
PICKLED = "adapter_model.bin"
PREFIX = "base_model.model."
FACTOR = re.compile(r"(?P<module>.+)\.lora_(?P<factor>[AB])\.weight")
OTHER_FACTOR = re.compile(r"(^|\.)lora_")

# Entries of a change that are computed at a time. Rows are always multiplied in the same groups: in other groups they
# may round differently, and choosing entries by magnitude needs the same values in every pass.
BLOCK = 2**16


@dataclass(frozen=True)
class LowRank:
    """A change of a matrix, ``scaling * left @ right``.

    Attributes:
        left: [rows, r].
        right: [r, columns].
        scaling: alpha / r, or alpha / sqrt(r).
    """

    left: Tensor
    right: Tensor
    scaling: float

    def entries(self, dtype: torch.dtype) -> Callable[[int, int], Tensor]:
        """Return a function that maps a range to these entries of the flattened change, computed in ``dtype``."""
        left, right = self.left.to(dtype), self.right.to(dtype)
        rows = max(1, BLOCK // right.shape[1])
        size = rows * right.shape[1]

        def computed(begin: int, end: int) -> Tensor:
            first, last = begin // size, -(-end // size)
            blocks = [left[block * rows : (block + 1) * rows] @ right for block in range(first, last)]
            return torch.cat(blocks).mul_(self.scaling).view(-1)[begin - first * size : end - first * size]

        return computed


def is_adapter(path: str | Path) -> bool:
    """Whether a path is an adapter's folder, or the file of an adapter's tensors, rather than a checkpoint.

    Raises:
        RemergeError: It is a folder of both.
    """
    path = Path(path)
    if path.name == WEIGHTS:
        return True
    if not any((path / name).exists() for name in (CONFIG, WEIGHTS, PICKLED)):
        return False
    if others := [name for name in files_in(path) if name != WEIGHTS]:
        raise RemergeError(
            f"{path}: holds an adapter and a checkpoint ({others[0]}); give the file "
            f"{WEIGHTS}, or a folder of the checkpoint alone"
        )
    return True


class Adapter:
    """A LoRA adapter on disk.

    Attributes:
        path: Its folder.
        files: Its files.
        low_rank: The changes by products of factors, by the names of the pre-trained model's tensors.
        whole: The tensors that replace those of the pre-trained model, by name.
    """

    def __init__(self, path: str | Path) -> None:
        """Open an adapter.

        Args:
            path: Its folder, or the file of its tensors.

        Raises:
            RemergeError: A file is missing or damaged, or the adapter is of a kind that is not supported; the message
                names the file, the key and the remedy.
        """
        self.path = Path(path).parent if Path(path).name == WEIGHTS else Path(path)
        self.files = [self.path / CONFIG, self.path / WEIGHTS]
        self._config = read_lora_config(self.path / CONFIG)
        if (self.path / PICKLED).exists() and not (self.path / WEIGHTS).exists():
            raise RemergeError(
                f"{self.path / PICKLED}: a pickle, which is never opened here; load the adapter with PEFT and save it "
                "again (`save_pretrained()`)"
            )
        self.whole: dict[str, Tensor] = {}
        factors: dict[str, dict[str, Tensor]] = {}
        for key, tensor in load_weights(self.path / WEIGHTS).items():
            name = self._name(key)
            if factor := FACTOR.fullmatch(name):
                factors.setdefault(factor["module"], {})[factor["factor"]] = tensor
            else:
                # The layer that factors were added to is stored under this name.
                self.whole[name.replace(".base_layer.", ".")] = tensor
        self._check_complete(factors)
        self.low_rank = {f"{module}.weight": self._change(module, **factors[module]) for module in factors}

    def check_fits(self, pretrained: Weights) -> None:
        """Refuse an adapter that was not made for this pre-trained model.

        Raises:
            MismatchError: A tensor that it changes does not exist, or has another shape or kind of entries; the message
                names up to ten.
        """
        faults = [self._fault(pretrained, key) for key in (*self.low_rank, *self.whole)]
        if any(faults):
            raise MismatchError(f"{self.path}: the adapter does not fit the pre-trained:{listed(filter(None, faults))}")

    def _name(self, key: str) -> str:
        """What a tensor of the file is called in the model."""
        name = key.removeprefix(PREFIX)
        if name == key:
            raise RemergeError(
                f"{self.path / WEIGHTS}: {key!r} does not begin with {PREFIX!r}, as the names of PEFT do; save the "
                "adapter with PEFT's `save_pretrained()`"
            )
        if OTHER_FACTOR.search(name) and not FACTOR.fullmatch(name):
            what = "adapters of embeddings are" if ".lora_embedding_" in name else "such tensors are"
            raise RemergeError(f"{self.path / WEIGHTS}: {key!r}: {what} not supported; {REMEDY}")
        return name

    def _check_complete(self, factors: dict[str, dict[str, Tensor]]) -> None:
        file, again = self.path / WEIGHTS, "the file is damaged or incomplete: save or download it again"
        if not factors:
            raise RemergeError(f"{file}: has no factors lora_A and lora_B; {again}")
        for module, pair in factors.items():
            if missing := {"A", "B"} - set(pair):
                raise RemergeError(f"{file}: {module!r} has no lora_{missing.pop()}; {again}")
            shapes = f"lora_A of shape {list(pair['A'].shape)} and lora_B of shape {list(pair['B'].shape)}"
            if any(factor.dim() != 2 or not factor.is_floating_point() for factor in pair.values()):
                raise RemergeError(f"{file}: {module!r} has {shapes}; only linear layers are supported: {REMEDY}")
            rank = self._config.rank(module)
            if (pair["A"].shape[0], pair["B"].shape[1]) != (rank, rank):
                raise RemergeError(
                    f"{file}: {module!r} has {shapes}, but rank {rank} in {CONFIG}; give both files of one adapter"
                )
        for module in self._config.modules_to_save:
            if not any(f".{module}." in f".{name}" for name in self.whole):
                raise RemergeError(f"{file}: has no tensor of {module!r}, one of `modules_to_save`; {again}")

    def _change(self, module: str, A: Tensor, B: Tensor) -> LowRank:  # noqa: N803
        scaling = self._config.scaling(module)
        return LowRank(A.T, B.T, scaling) if self._config.fan_in_fan_out else LowRank(B, A, scaling)

    def _fault(self, pretrained: Weights, key: str) -> str:
        """Why a change does not fit, or nothing."""
        if key not in pretrained:
            return _absent(pretrained, key)
        target = pretrained[key]
        if change := self.low_rank.get(key):
            what, shape = "its factors multiply to", torch.Size([change.left.shape[0], change.right.shape[1]])
        else:
            what, shape = "the adapter's has", self.whole[key].shape
        if not target.is_floating_point() or (key in self.whole and not self.whole[key].is_floating_point()):
            return f"{key!r} is not floating-point; give models that are not quantised"
        if target.shape == shape:
            return ""
        fault = vocabulary_fault(key, target.shape, shape) or (
            f"{key!r} has shape {list(target.shape)}, {what} {list(shape)}; give the model that it was trained on"
        )
        if change and target.shape == shape[::-1]:
            return f"{fault}, or set `fan_in_fan_out` in {CONFIG} as it was in training"
        return fault


def _absent(pretrained: Weights, key: str) -> str:
    """Say that the pre-trained model lacks a tensor, and which of its tensors may be that one under another prefix."""
    endings = [key.split(".", cut)[-1] for cut in range(min(3, key.count(".")))]
    alike = next((name for ending in endings for name in pretrained if f".{name}".endswith(f".{ending}")), None)
    if alike:
        return (
            f"{key!r} is not in the pre-trained, which has {alike!r}; save the pre-trained with the class that the "
            "adapter was trained on, such as AutoModelForCausalLM, so that their names agree"
        )
    return (
        f"{key!r} is not in the pre-trained: it is tied to another tensor, or of a head that the pre-trained lacks; "
        "give the model that the adapter was trained on, saved with this tensor"
    )
