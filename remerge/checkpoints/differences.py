"""Why checkpoints do not fit together: common causes, recognised by names and shapes, and what to do about each."""

import re
from collections.abc import Iterable, Iterator, Sequence

import torch

from remerge.checkpoints.weights import FAULTS_SHOWN, Weights

# Embeddings of tokens, and output layers with a row per token, as common architectures name them.
OF_TOKENS = re.compile(
    r"(^|\.)(embed_tokens|tok_embeddings|word_embeddings|token_embedding|embed_in|embed_out|lm_head|shared|wte)\.weight$"
)


def listed(faults: Iterable[str]) -> str:
    """Return the first ten faults, each in an indented line."""
    lines = list(faults)
    more = [f"... and {len(lines) - FAULTS_SHOWN} more"] if len(lines) > FAULTS_SHOWN else []
    return "".join(f"\n  {line}" for line in lines[:FAULTS_SHOWN] + more)


def vocabulary_fault(key: str, pretrained: Sequence[int], finetuned: Sequence[int]) -> str:
    """Say that two tensors with a row per token are of vocabularies of different sizes; empty if they are not.

    Args:
        key: The tensor's name.
        pretrained: Its shape in the pre-trained model.
        finetuned: Its shape in the fine-tuned one.
    """
    is_of_tokens = OF_TOKENS.search(key) and len(pretrained) == len(finetuned) == 2 and pretrained[1] == finetuned[1]
    if not is_of_tokens or pretrained[0] == finetuned[0]:
        return ""
    return (
        f"the vocabularies differ: {key!r} has {finetuned[0]} tokens (shape {list(finetuned)}), in the pre-trained "
        f"{pretrained[0]} (shape {list(pretrained)}); bring all models to one size before merging, with transformers "
        f"by `resize_token_embeddings({max(pretrained[0], finetuned[0])})` and `save_pretrained()`"
    )


def explanations(pretrained: Weights, finetuned: Weights) -> list[str]:
    """Return what explains the differences between two checkpoints, each with a remedy; empty if they do not differ."""
    missing = [key for key in pretrained if key not in finetuned]
    extra = [key for key in finetuned if key not in pretrained]
    common = [key for key in pretrained if key in finetuned]
    vocabularies = [vocabulary_fault(key, pretrained[key].shape, finetuned[key].shape) for key in common]
    known = [fault for fault in vocabularies if fault]
    for keys, holder, whose in ((missing, pretrained, "the pre-trained"), (extra, finetuned, "the fine-tuned")):
        for key, twin in _tied(keys, holder):
            known.append(
                f"{key!r} is tied to {twin!r}, and only {whose} stores both; delete {key!r} from its files, or load "
                "and save all models with one version of transformers"
            )
    if prefix := _prefix(missing, extra) or _prefix(extra, missing):
        known.append(f"the names differ by the prefix {prefix!r}; save all models with the same class")
    if any(pretrained[key].dtype != finetuned[key].dtype for key in common):
        known.append(
            "the dtypes differ, and rounding would pass for fine-tuning; save the pre-trained in the dtype in which it "
            "was fine-tuned"
        )
    if not known and (missing or extra or any(pretrained[key].shape != finetuned[key].shape for key in common)):
        known.append(
            "it is of another architecture, or was saved by another class; give fine-tuned copies of the pre-trained"
        )
    return known


def _tied(keys: Sequence[str], holder: Weights) -> Iterator[tuple[str, str]]:
    """Of some tensors, yield those that their checkpoint also stores under another name, with that name."""
    of_tokens = [key for key in holder if OF_TOKENS.search(key)]
    for key in of_tokens:
        twins = (other for other in of_tokens if other not in keys and torch.equal(holder[key], holder[other]))
        if key in keys and (twin := next(twins, None)):
            yield key, twin


def _prefix(shorter: Sequence[str], longer: Sequence[str]) -> str:
    """What stands before every name of one list in the other; empty if nothing does."""
    if not shorter or len(shorter) != len(longer):
        return ""
    prefix = next((name.removesuffix(shorter[0]) for name in longer if name.endswith(f".{shorter[0]}")), "")
    return prefix if {prefix + name for name in shorter} == set(longer) else ""
