"""Where checkpoints lie, on the Hub and here."""

from remerge.architectures import ARCHITECTURES
from remerge.tasks.clip import HUB_NAMES


def repository_of(wildcards):
    """The Hub's repository of a checkpoint."""
    architecture = ARCHITECTURES[architecture_of(wildcards)]
    if wildcards.checkpoint == "openai":
        return architecture.open_clip
    return f"tanganke/{architecture.hub}_{HUB_NAMES[wildcards.checkpoint]}"


def files_of(wildcards):
    """The files of a checkpoint's repository."""
    if wildcards.checkpoint == "openai":
        return ["open_clip_model.safetensors"]
    return ["config.json", "model.safetensors|pytorch_model.bin"]


def revision_of(wildcards):
    """The branch or tag that experts are taken from; OpenAI's weights lie elsewhere and have no such branch."""
    if wildcards.checkpoint == "openai":
        return None
    return settings.pools[wildcards.pool].revision


def legacy_checkpoint_of(wildcards):
    """One of the Task Arithmetic authors' files: in the folder the configuration names, or downloaded."""
    folder = settings.pools[wildcards.pool].folder or "results/downloads/task-vectors"
    file = (
        "zeroshot"
        if wildcards.checkpoint == "pretrained"
        else f"{wildcards.checkpoint}/finetuned"
    )
    return f"{folder}/{architecture_of(wildcards)}/{file}.pt"


def download_records():
    """The records of everything that is downloaded from the Hub for any table or figure."""
    checkpoints = [
        f"results/{pool}/downloads/{checkpoint}.json"
        for pool in pools_where(lambda pool: pool.origin not in ("trained", "random"))
        for checkpoint in [
            "openai",
            *(tasks_of_pool() if settings.pools[pool].origin == "fusionbench" else []),
        ]
    ]
    images = [
        f"results/downloads/{task}/{part}.json"
        for task in tasks_of_pool()
        if task in clip_tasks_from("hub")
        for part in ("train", "test")
    ]
    return checkpoints + images


def downloads_lock():
    """The lock file of a run that downloads anything from the Hub."""
    return ["results/downloads.lock.yaml"] if download_records() else []
