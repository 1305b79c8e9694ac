"""The configuration of a LoRA adapter, ``adapter_config.json`` as PEFT writes it: read without PEFT, and strictly.

A key that is neither known here nor empty is refused: it changes the model in a way that the plain formula of LoRA does
not cover, or a later version of PEFT may mean such a way by it.
"""

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remerge.errors import RemergeError

CONFIG = "adapter_config.json"
REMEDY = (
    "merge the adapter into its model with PEFT (`merge_and_unload()`, then `save_pretrained()`) and give that model "
    "instead"
)

# How an adapter was trained, and what its tensors show by their names.
IGNORED = {
    *("auto_mapping", "base_model_name_or_path", "inference_mode", "peft_version", "revision", "task_type"),
    *("bias", "exclude_modules", "layers_pattern", "layers_to_transform", "target_modules"),
    *("corda_config", "eva_config", "loftq_config", "lora_dropout", "lora_ga_config", "megatron_core"),
    *("qalora_group_size", "runtime_config"),
}
HONOURED = {
    *("alpha_pattern", "fan_in_fan_out", "init_lora_weights", "lora_alpha", "modules_to_save", "peft_type"),
    *("r", "rank_pattern", "use_rslora"),
}
KEEPS_PRETRAINED = (True, False, "gaussian", "eva", "orthogonal")
"""Initialisations that leave the pre-trained weights as they are. PiSSA, OLoRA, CorDA and LoftQ replace them."""

# How PEFT matches a pattern with the name of a module.
_ENDING = r"(.*\.)?({})$"


@dataclass(frozen=True)
class LoraConfig:
    """What the configuration says of how factors become changes of weights.

    Attributes:
        r: The rank, unless a pattern gives another.
        lora_alpha: What the scaling is a multiple of, unless a pattern gives another.
        rank_pattern: Ranks by regular expressions of modules' names.
        alpha_pattern: Alphas likewise.
        use_rslora: Whether the scaling is alpha / sqrt(r) (arXiv:2312.03732) rather than alpha / r (arXiv:2106.09685).
        fan_in_fan_out: Whether weights are stored as [in, out].
        modules_to_save: Names of modules that were trained and stored whole.
    """

    r: int
    lora_alpha: float
    rank_pattern: dict[str, int] = field(default_factory=dict)
    alpha_pattern: dict[str, float] = field(default_factory=dict)
    use_rslora: bool = False
    fan_in_fan_out: bool = False
    modules_to_save: list[str] = field(default_factory=list)

    def rank(self, module: str) -> int:
        """Return the rank of a module's factors."""
        return _by_pattern(self.rank_pattern, module, self.r)

    def scaling(self, module: str) -> float:
        """Return what the product of a module's factors is multiplied by."""
        rank = self.rank(module)
        return _by_pattern(self.alpha_pattern, module, self.lora_alpha) / (math.sqrt(rank) if self.use_rslora else rank)


def _by_pattern(patterns: dict[str, Any], module: str, default: Any) -> Any:
    """The value of the first pattern that matches a whole name, or what follows one of its dots, as PEFT reads them."""
    return next((value for text, value in patterns.items() if re.match(_ENDING.format(text), module)), default)


def read_lora_config(path: Path) -> LoraConfig:
    """Read the configuration of an adapter.

    Raises:
        RemergeError: It is missing or damaged, or the adapter is of a kind that is not supported; the message names the
            file, the key and the remedy.
    """
    config = _read(path)
    if config.get("peft_type") != "LORA":
        raise RemergeError(f"{path}: `peft_type` is {config.get('peft_type')!r}, only 'LORA' is supported; {REMEDY}")
    for key, value in config.items():
        if key not in IGNORED | HONOURED and value not in (None, False, 0, "", [], {}):
            raise RemergeError(f"{path}: `{key}: {json.dumps(value)}` is not supported; {REMEDY}")
    if (start := config.get("init_lora_weights", True)) not in KEEPS_PRETRAINED:
        raise RemergeError(
            f"{path}: `init_lora_weights: {json.dumps(start)}` replaced the weights that were adapted; {REMEDY}"
        )
    # PEFT writes what is not set as null.
    given = {
        key: value for key, value in config.items() if key in LoraConfig.__dataclass_fields__ and value is not None
    }
    _check_types(path, given)
    return LoraConfig(**given)


def _read(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RemergeError(
            f"{path}: no such file; it says how to scale the adapter: copy it from where the adapter was saved"
        ) from error
    except (OSError, ValueError) as error:
        raise RemergeError(f"{path}: cannot be read as JSON ({error}); save or download it again") from error
    if not isinstance(config, dict):
        raise RemergeError(f"{path}: expected keys and values, got {type(config).__name__}; save or download it again")
    return config


def _check_types(path: Path, given: dict[str, Any]) -> None:
    def refuse_unless(is_right: bool, key: str, expected: str, value: object) -> None:
        if not is_right:
            raise RemergeError(
                f"{path}: `{key}` must be {expected}, got {json.dumps(value)}; save or download it again"
            )

    def is_number(value: object, kind: type | tuple[type, ...]) -> bool:
        return isinstance(value, kind) and not isinstance(value, bool)

    for key in ("use_rslora", "fan_in_fan_out"):
        refuse_unless(isinstance(given.get(key, False), bool), key, "true or false", given.get(key))
    modules = given.get("modules_to_save", [])
    is_list = isinstance(modules, list) and all(isinstance(each, str) for each in modules)
    refuse_unless(is_list, "modules_to_save", "a list of names", modules)
    for key in ("rank_pattern", "alpha_pattern"):
        refuse_unless(isinstance(given.get(key, {}), dict), key, "a mapping", given.get(key))
    for rank in (given.get("r"), *given.get("rank_pattern", {}).values()):
        refuse_unless(is_number(rank, int) and rank > 0, "r` or `rank_pattern", "positive whole numbers", rank)
    for alpha in (given.get("lora_alpha"), *given.get("alpha_pattern", {}).values()):
        refuse_unless(is_number(alpha, (int, float)), "lora_alpha` or `alpha_pattern", "numbers", alpha)
    for text in (*given.get("rank_pattern", {}), *given.get("alpha_pattern", {})):
        try:
            re.compile(_ENDING.format(text))
        except re.error as error:
            raise RemergeError(f"{path}: {text!r} in a pattern is no regular expression ({error})") from error
