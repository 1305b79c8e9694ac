"""Where checkpoints come from and lie; each function is named after what it returns."""

from remerge.clip.architectures import ARCHITECTURES


def checkpoint_of(wildcards):
    """What is downloaded of a checkpoint."""
    return wanted.checkpoint(settings, wildcards.pool, wildcards.checkpoint)


def pickle_pin_of(wildcards):
    """What the given lock file, if there is one, says of one of the Task Arithmetic authors' files."""
    name = f"{wildcards.architecture}/{wildcards.file}.pt"
    return lock.drive[name].model_dump() if lock else None


def legacy_checkpoint_of(wildcards):
    """One of the Task Arithmetic authors' files in the folder that the configuration names, if it does."""
    folder = settings.pools[wildcards.pool].folder
    name = wanted.pickle_of(architecture_of(wildcards), wildcards.checkpoint)
    return f"{folder}/{name}" if folder else []


def legacy_record_of(wildcards):
    """The record of one of the Task Arithmetic authors' files, if it is downloaded."""
    if settings.pools[wildcards.pool].folder:
        return []
    return record_of_pickle(
        wanted.pickle_of(architecture_of(wildcards), wildcards.checkpoint)
    )
