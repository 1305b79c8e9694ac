"""A stand-in for what is on the Hub of Flan-T5: configuration, tokeniser, adapters in PEFT's layout."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from torch import Tensor

from remerge.t5.architectures import Architecture

ADAPTED = ("q", "v")


def config_of(like: Architecture) -> dict[str, Any]:
    """What transformers writes of a model's shape."""
    return {
        "architectures": ["T5ForConditionalGeneration"],
        "d_ff": like.hidden,
        "d_kv": like.head_width,
        "d_model": like.width,
        "decoder_start_token_id": 0,
        "dropout_rate": 0.1,
        "eos_token_id": 1,
        "feed_forward_proj": "gated-gelu",
        "layer_norm_epsilon": 1e-06,
        "model_type": "t5",
        "num_decoder_layers": like.layers,
        "num_heads": like.heads,
        "num_layers": like.layers,
        "pad_token_id": 0,
        "relative_attention_num_buckets": 32,
        "tie_word_embeddings": False,
        "vocab_size": like.vocabulary,
    }


def tokeniser(words: Sequence[str]) -> bytes:
    """A ``tokenizer.json`` of T5's kind: pieces begin with what stands for a blank, and every text has an end."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -2.0), *((f"▁{word}", -1.0) for word in words)]
    made = Tokenizer(models.Unigram(pieces, unk_id=2, byte_fallback=False))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    made.add_special_tokens(["<pad>", "</s>", "<unk>"])
    return str(made.to_str()).encode()


def adapter(pretrained: Mapping[str, Tensor], rank: int, seed: int = 0) -> dict[str, Tensor]:
    """A random adapter of all queries and values, named as PEFT names its factors."""
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for key, weight in pretrained.items():
        module = key.removesuffix(".weight")
        if module.rpartition(".")[2] in ADAPTED:
            for name, shape in (("A", (rank, weight.shape[1])), ("B", (weight.shape[0], rank))):
                factor = 0.05 * torch.randn(shape, generator=generator)
                made[f"base_model.model.{module}.lora_{name}.weight"] = factor
    return made


def adapter_config(rank: int) -> bytes:
    """What PEFT writes of such an adapter, with twice the rank as alpha."""
    return json.dumps(
        {
            "base_model_name_or_path": "google/flan-t5-base",
            "bias": "none",
            "fan_in_fan_out": False,
            "inference_mode": True,
            "init_lora_weights": True,
            "layers_pattern": None,
            "layers_to_transform": None,
            "lora_alpha": 2 * rank,
            "lora_dropout": 0.1,
            "modules_to_save": None,
            "peft_type": "LORA",
            "r": rank,
            "revision": None,
            "target_modules": list(ADAPTED),
            "task_type": "SEQ_2_SEQ_LM",
        }
    ).encode()
