"""Where checkpoints lie, on the Hub and here."""

from remerge.architectures import ARCHITECTURES
from remerge.tasks.clip import HUB_NAMES


def repository_of(wildcards):
    """The Hub's repository of a checkpoint."""
    hub = ARCHITECTURES[architecture_of(wildcards)].hub
    if wildcards.checkpoint == "openai":
        return ARCHITECTURES[architecture_of(wildcards)].open_clip
    if wildcards.checkpoint == "clip":
        return f"openai/{hub}"
    return f"tanganke/{hub}_{HUB_NAMES[wildcards.checkpoint]}"


def files_of(wildcards):
    """The files of a checkpoint's repository."""
    if wildcards.checkpoint == "openai":
        return ["open_clip_model.safetensors"]
    return ["config.json", "model.safetensors"]


def legacy_checkpoint_of(wildcards):
    """One of the Task Arithmetic authors' files: in the folder the configuration names, or downloaded."""
    folder = settings.pools[wildcards.pool].folder or "results/downloads/task-vectors"
    file = (
        "zeroshot"
        if wildcards.checkpoint == "pretrained"
        else f"{wildcards.checkpoint}/finetuned"
    )
    return f"{folder}/{architecture_of(wildcards)}/{file}.pt"
